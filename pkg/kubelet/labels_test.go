package kubelet

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/hardware"
	"github.com/eksnode/eksnode/pkg/node"
)

// labelled is a decision with one label.
func labelled(text string) func(*node.Input) {
	return func(in *node.Input) {
		in.Config.Spec.Labels = map[string]string{"example.com/l": text}
		in.Instance.Tags = map[string]string{"team": "Web Team / Zürich", "long": strings.Repeat("x", 64), "odd": "!!!", "none": ""}
	}
}

func flagOf(s Settings) string {
	for _, f := range s.Flags {
		if strings.HasPrefix(f, "--node-labels=") {
			return f
		}
	}
	return ""
}

func TestLabelsAreOneFlagInOrder(t *testing.T) {
	nvidia := []hardware.PCIDevice{{Vendor: "10de", Device: "1eb8", Class: "030200"}}
	for name, row := range map[string]struct {
		labels map[string]string
		flags  []string
		pci    []hardware.PCIDevice
		want   string
		note   string
	}{
		"none":                               {},
		"a GPU alone":                        {pci: nvidia, want: "--node-labels=nvidia.com/gpu.present=true"},
		"two and a GPU":                      {labels: map[string]string{"z": "1", "a": "2"}, pci: nvidia, want: "--node-labels=a=2,nvidia.com/gpu.present=true,z=1"},
		"the user denies the GPU":            {labels: map[string]string{gpuPresent: "false"}, pci: nvidia, want: "--node-labels=nvidia.com/gpu.present=false"},
		"an empty value":                     {labels: map[string]string{"a": ""}, want: "--node-labels=a="},
		"a reference":                        {labels: map[string]string{"a": "${instance.type}"}, want: "--node-labels=a=m5.large"},
		"two dollars":                        {labels: map[string]string{"a": "x$$"}, want: "", note: "refused"},
		"a placement group that is not":      {labels: map[string]string{"a": "${instance.placementGroup}"}, note: "the label a is not set: ${instance.placementGroup} is nothing on this machine"},
		"the model of no GPU":                {labels: map[string]string{"a": "${gpu.model}", "b": "${gpu.count}"}, want: "--node-labels=b=0", note: "label a is not set"},
		"the same label as a flag":           {labels: map[string]string{"a": "1", "b": "2"}, flags: []string{"--node-labels=a=1"}, want: "--node-labels=b=2"},
		"another value than a flag's":        {labels: map[string]string{"a": "1", "b": "2"}, flags: []string{"--node-labels=a=0"}, want: "--node-labels=b=2", note: `the label a is "0", from --node-labels in spec.kubelet.flags, and not "1" of spec.labels`},
		"a flag with quotes, as Karpenter":   {labels: map[string]string{"a": "1", "b": "2"}, flags: []string{`--node-labels="a=0,karpenter.sh/nodepool=x"`}, want: "--node-labels=b=2", note: `"0"`},
		"a flag in two words":                {labels: map[string]string{"a": "1", "b": "2"}, flags: []string{"--node-labels", "a=0"}, want: "--node-labels=b=2", note: `"0"`},
		"flags that add up, last one wins":   {labels: map[string]string{"a": "1"}, flags: []string{"--node-labels=a=0", "--node_labels=a=1"}, want: ""},
		"two flags in one item":              {labels: map[string]string{"a": "1"}, flags: []string{"--v=2 --node-labels=a=9"}, want: "", note: `"9"`},
		"a broken fact that a flag replaces": {labels: map[string]string{"a": "${instance.tags.absent}"}, flags: []string{"--node-labels=a=9"}, want: "", note: `"9"`},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := Decide(input(func(in *node.Input) {
				in.Config.Spec.Labels, in.Config.Spec.Kubelet.Flags, in.Hardware.PCI = row.labels, row.flags, row.pci
			}))
			if row.note == "refused" {
				if fault.CodeOf(err) != fault.ConfigInvalid {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := flagOf(s)
			if slices.Contains(row.flags, got) { // the first is the user's: there is none of ours
				got = ""
			}
			if strings.HasPrefix(got, `--node-labels="`) {
				got = ""
			}
			if got != row.want {
				t.Errorf("got %q, want %q", got, row.want)
			}
			notes := strings.Join(s.Notes, "; ")
			if row.note == "" && notes != "" || !strings.Contains(notes, row.note) {
				t.Errorf("notes %q", notes)
			}
			if !slices.Equal(s.Flags[len(s.Flags)-len(row.flags):], append([]string{}, row.flags...)) {
				t.Errorf("the user's flags are not as they were: %q", s.Flags)
			}
		})
	}
}

func TestALabelThatCannotBeOneIsRefusedWithOneThatCould(t *testing.T) {
	for text, row := range map[string]struct {
		code         fault.Code
		says, remedy string
	}{
		"${instance.tags.team}":   {fault.ConfigInvalid, `${instance.tags.team} gives "Web Team / Zürich": it has ' ' in it`, "as Web-Team---Z-rich."},
		"${instance.tags.long}":   {fault.ConfigInvalid, "it has 64 characters, more than 63", "as " + strings.Repeat("x", 63) + "."},
		"${instance.tags.odd}":    {fault.ConfigInvalid, `"!!!"`, "write the value itself in spec.labels."},
		"-x":                      {fault.ConfigInvalid, `the value is "-x": it does not begin and end`, "Correct the value in spec.labels, as x."},
		"a b":                     {fault.ConfigInvalid, "' '", "as a-b."},
		"${instance.tags.absent}": {fault.FactMissing, "instance.tags.absent", "NodeConfig"},
		"${instance.lifecycle}":   {fault.FactMissing, "instance.lifecycle", "NodeConfig"},
	} {
		_, err := Decide(input(labelled(text)))
		f, ok := fault.Find(err)
		if !ok || f.Code != row.code || !strings.HasPrefix(err.Error(), "cannot set the label example.com/l: ") ||
			!strings.Contains(err.Error(), row.says) || !strings.Contains(f.Remedy, row.remedy) {
			t.Errorf("%q: %v\nremedy %q", text, err, f.Remedy)
		}
	}
	// A tag that metadata does not show: the remedy of the Problem reaches the person.
	_, err := Decide(input(func(in *node.Input) {
		labelled("${instance.tags.absent}")(in)
		in.Problems = []node.Problem{{Fact: "instance.tags.absent", Code: fault.IMDSNotFound, Message: "not shown", Remedy: "aws ec2 modify-instance-metadata-options"}}
	}))
	if f, ok := fault.Find(err); !ok || f.Code != fault.IMDSNotFound || !strings.Contains(f.Remedy, "modify-instance-metadata-options") {
		t.Errorf("got %v", err)
	}
}

func TestAnEmptyTagGivesNoLabel(t *testing.T) {
	s := decide(t, labelled("${instance.tags.none}"))
	if flagOf(s) != "" || len(s.Notes) != 1 {
		t.Errorf("flag %q, notes %q", flagOf(s), s.Notes)
	}
}

func TestKeysOfLabelsAreChecked(t *testing.T) {
	for key, ok := range map[string]bool{
		"a": true, "A_b.c-9": true, "example.com/a": true, "node.kubernetes.io/x": true,
		"": false, "/": false, "a/": false, "/a": false, "a b": false, "a,b": false, "a=b": false, "-a": false, "a/b/c": false,
		"Example.com/a": false, "ex_ample.com/a": false, "example..com/a": false, "-x.com/a": false,
		strings.Repeat("a", 64): false, strings.Repeat("a", 63): true, strings.Repeat("a.", 127) + "a/b": false, "é": false,
	} {
		if why := badKey(key); (why == "") != ok {
			t.Errorf("%q: %q", key, why)
		}
		_, err := Decide(input(func(in *node.Input) { in.Config.Spec.Labels = map[string]string{key: "x"} }))
		if (err == nil) != ok {
			t.Errorf("%q: %v", key, err)
		}
	}
}

func TestAnnotationsAreMadeBeforeTheNodeJoins(t *testing.T) {
	in := input(func(in *node.Input) {
		in.Config.Spec.Annotations = map[string]string{"a": "any text: ${instance.type}, $$1\n", "b": "", "c": "${gpu.vendor}"}
	})
	got, notes, err := Annotations(in)
	if want := map[string]string{"a": "any text: m5.large, $1\n", "b": ""}; err != nil || !maps.Equal(got, want) || len(notes) != 1 {
		t.Errorf("got %q, %q, %v", got, notes, err)
	}
	refused(t, func(in *node.Input) { in.Config.Spec.Annotations = map[string]string{"a": "${instance.tags.x}"} }, fault.FactMissing, "annotation a", "instance.tags.x")
	refused(t, func(in *node.Input) { in.Config.Spec.Annotations = map[string]string{"a b": "x"} }, fault.ConfigInvalid, "annotation a b")
}

func TestWordsAreSplitAsSystemdSplitsThem(t *testing.T) {
	for in, want := range map[string][]string{
		"":                            nil,
		"  a\tb  ":                    {"a", "b"},
		`--x="a b" 'c d'`:             {"--x=a b", "c d"},
		`a\ b`:                        {"a b"},
		`"a\"b"`:                      {`a"b`},
		`a"b"'c'`:                     {"abc"},
		`""`:                          {""},
		`"open end`:                   {"open end"},
		`--r=net\.core`:               {"--r=net.core"},
		`'it'"'"'s'`:                  {"it's"},
		"--node-labels=\"a=b,c=d\" é": {"--node-labels=a=b,c=d", "é"},
	} {
		var got []string
		var raw []string
		for _, w := range words(in) {
			got, raw = append(got, w.text), append(raw, w.raw)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
		if joined := strings.Join(raw, " "); !slices.Equal(texts(words(joined)), want) {
			t.Errorf("%q is written as %q", in, joined)
		}
	}
}

func texts(ws []word) []string {
	var out []string
	for _, w := range ws {
		out = append(out, w.text)
	}
	return out
}

func TestOccurrencesOfAFlag(t *testing.T) {
	for text, want := range map[string][]string{
		"--a=1 --b 2 --a 3": {"1", "3"},
		"--a":               nil,
		"--a= --a=":         {"", ""},
		"-a=1 a=1":          nil,
		"--a=1 -- --a=2":    {"1"},
		`"--a=x y"`:         {"x y"},
	} {
		var got []string
		for _, g := range occurrences(words(text), "a") {
			got = append(got, g.value)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func FuzzLabelsOfFactsAreOneWord(f *testing.F) {
	f.Add("team", "a b")
	f.Add("x,y=z", `"`)
	f.Add("é", "\n")
	f.Fuzz(func(t *testing.T, key, tag string) {
		s, err := Decide(input(func(in *node.Input) {
			in.Config.Spec = api.Spec{Cluster: in.Config.Spec.Cluster}
			in.Config.Spec.Labels = map[string]string{key: "${instance.tags.t}"}
			in.Instance.Tags = map[string]string{"t": tag}
		}))
		if err != nil || flagOf(s) == "" {
			return
		}
		if got := flaggedLabels(s.Flags); len(got) != 1 || got[key] != tag {
			t.Errorf("%q=%q reaches kubelet as %q", key, tag, got)
		}
	})
}
