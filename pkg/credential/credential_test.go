package credential

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
)

func input(t *testing.T, kubelet string) node.Input {
	t.Helper()
	v, err := node.ParseVersion(kubelet)
	if err != nil {
		t.Fatal(err)
	}
	return node.Input{Layout: node.AL2023(), Versions: node.Versions{Kubelet: v}}
}

func TestTheAgentServesCredentialsUnderALinkOfItsOwn(t *testing.T) {
	in := input(t, "1.35.4")
	in.Present.ECRProvider = true // that the image has one is no wish to use it
	rs, err := Desired(in)
	if err != nil {
		t.Fatal(err)
	}
	want := []host.Resource{
		host.Dir{Path: "/var/lib/eksnode/bin", Mode: 0o755},
		host.Link{Path: "/var/lib/eksnode/bin/ecr-credential-provider", Target: "/usr/bin/eksnode"},
	}
	if len(rs) != 3 || !host.Equal(rs[0], want[0]) || !host.Equal(rs[1], want[1]) {
		t.Fatalf("got %+v", rs)
	}
	p := provided(t, rs[2])
	if p.Name != "ecr-credential-provider" || !slices.Equal(p.Args, []string{"credential-provider"}) {
		t.Errorf("got %+v", p)
	}
}

func TestAnotherProviderIsUsedWhereAPersonAsksForIt(t *testing.T) {
	in := input(t, "1.35.4")
	in.Layout.UseImageCredentialProvider = true
	in.Layout.ImageCredentialProvider = "/opt/bin/my-provider"
	_, err := Desired(in)
	if fault.CodeOf(err) != fault.BinaryMissing || !strings.Contains(err.Error(), "/opt/bin/my-provider") {
		t.Errorf("the program is absent: got %v", err)
	}
	in.Present.ECRProvider = true
	rs, err := Desired(in)
	if err != nil || len(rs) != 1 {
		t.Fatalf("got %+v, %v", rs, err)
	}
	if p := provided(t, rs[0]); p.Name != "my-provider" || p.Args != nil {
		t.Errorf("got %+v", p)
	}
}

func TestECRPublicsSecondNameIsMatchedSince132(t *testing.T) {
	for kubelet, want := range map[string]bool{"1.29.0": false, "1.31.9": false, "1.32.0": true, "1.37.2": true} {
		s, err := Decide(input(t, kubelet))
		if err != nil {
			t.Fatal(err)
		}
		if slices.Contains(s.MatchImages, "ecr-public.aws.com") != want || !slices.Contains(s.MatchImages, "public.ecr.aws") {
			t.Errorf("%s: %v", kubelet, s.MatchImages)
		}
	}
	if _, err := Decide(node.Input{Layout: node.AL2023()}); fault.CodeOf(err) != fault.VersionUnknown {
		t.Errorf("without a version: %v", err)
	}
}

func provided(t *testing.T, r host.Resource) provider {
	t.Helper()
	f, ok := r.(host.File)
	if !ok || f.Path != "/etc/eks/image-credential-provider/config.json" {
		t.Fatalf("got %+v", r)
	}
	var c providerConfig
	if err := json.Unmarshal(f.Content, &c); err != nil || len(c.Providers) != 1 {
		t.Fatalf("%v: %s", err, f.Content)
	}
	return c.Providers[0]
}
