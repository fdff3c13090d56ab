package api_test

import (
	"os"
	"testing"

	"github.com/eksnode/eksnode/pkg/api"
)

func BenchmarkLoadOfKarpenterUserData(b *testing.B) {
	raw, err := os.ReadFile("testdata/shapes/karpenter.in")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, problems := api.Load([]api.Input{{Name: "imds://user-data", Raw: raw}}, api.Options{}, now); api.HasErrors(problems) {
			b.Fatal(render(problems))
		}
	}
}
