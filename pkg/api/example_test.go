package api_test

import (
	"fmt"
	"os"
	"time"

	"github.com/eksnode/eksnode/pkg/api"
)

func ExampleLoad() {
	userData := `apiVersion: node.eks.aws/v1alpha1
kind: NodeConfig
spec:
  kubelet:
    config: {maxPods: 58}
    flags: --v=2
`
	dropIn := `apiVersion: node.eks.aws/v1alpha1
kind: NodeConfig
spec:
  kubelet:
    config: {maxPods: 110}
`
	merged, problems := api.Load([]api.Input{
		{Name: "imds://user-data", Raw: []byte(userData)},
		{Name: "file:///etc/eks/nodeadm.d/10-pods.yaml", Raw: []byte(dropIn)},
	}, api.Options{}, time.Time{})

	_ = api.Render(os.Stdout, problems[len(problems)-1:])
	for _, o := range merged.Origin("spec.kubelet.config.maxPods") {
		fmt.Println(o)
	}
	// Output:
	// user-data:6:12: error: spec.kubelet.flags: expected a list of strings, found the string "--v=2"
	//   6 |     flags: --v=2
	//     |            ^
	//   remedy: write a list: ["--v=2"]
	// 110 at /etc/eks/nodeadm.d/10-pods.yaml:5:23
	// 58 at user-data:5:23
}
