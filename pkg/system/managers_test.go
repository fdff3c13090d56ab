package system

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eksnode/eksnode/pkg/hardware"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
)

const (
	cpuFile    = "/var/lib/kubelet/cpu_manager_state"
	memoryFile = "/var/lib/kubelet/memory_manager_state"
)

func TestWhatKubeletHasWrittenDownIsRead(t *testing.T) {
	const cpu = `{"policyName":"static","defaultCpuSet":"0,4-7","entries":{"pod-a":{"c1":"1-2","c2":"3"}},"checksum":7}`
	const memory = `{"policyName":"Static","machineState":{"1":{"numberOfAssignments":0,"memoryMap":{"memory":{"total":200,"systemReserved":10,"allocatable":190,"reserved":0,"free":190}},"cells":[1]},` +
		`"0":{"numberOfAssignments":1,"memoryMap":{"hugepages-2Mi":{"total":4194304,"systemReserved":0},"memory":{"total":100,"systemReserved":5}},"cells":[0]}},"entries":{"pod-a":{"c1":[{"numaAffinity":[0],"type":"memory","size":1}]}},"checksum":3}`
	root := tree(t, map[string]string{
		cpuFile: cpu, memoryFile: memory,
		"/sys/devices/system/cpu/online":         "0-7\n",
		"/proc/stat":                             "cpu 1 2 3\nbtime 2000000000\nprocesses 9\n",
		"/sys/devices/system/node/node0/meminfo": "Node 0 MemTotal:       16306868 kB\nNode 0 MemFree: 5 kB\n",
		"/sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages":    "512\n",
		"/sys/devices/system/node/node0/hugepages/hugepages-1048576kB/nr_hugepages": "1\n",
		"/sys/devices/system/node/node10/meminfo":                                   "Node 10 MemTotal: 8 kB\n",
		"/sys/devices/system/node/node10/hugepages/hugepages-64kB/nr_hugepages":     "3\n",
		"/sys/devices/system/node/node10/hugepages/hugepages-garbage/nr_hugepages":  "3\n",
		"/sys/devices/system/node/online":                                           "0,10\n",
	})
	got, err := Managers(root, node.AL2023())
	if err != nil {
		t.Fatal(err)
	}
	want := `{"cpu":{"policy":"static","shared":"0,4-7","all":"0-7","exclusive":2,"digest":"` + host.ContentDigest([]byte(cpu)) + `"},` +
		`"memory":{"policy":"Static","nodes":[{"node":0,"total":{"hugepages-2Mi":4194304,"memory":100},"reserved":{"hugepages-2Mi":0,"memory":5}},` +
		`{"node":1,"total":{"memory":200},"reserved":{"memory":10}}],"assigned":1,"beforeBoot":true,"digest":"` + host.ContentDigest([]byte(memory)) + `"},` +
		`"onlineCPUs":"0-7","numaNodes":[{"node":0,"total":{"hugepages-1Gi":1073741824,"hugepages-2Mi":1073741824,"memory":16698232832}},` +
		`{"node":10,"total":{"hugepages-64Ki":196608,"memory":8192}}]}`
	if s := asJSON(t, got); s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
}

func TestAFreshMachineHasNothingWrittenDown(t *testing.T) {
	got, err := Managers(tree(t, map[string]string{"/sys/devices/system/cpu/online": "0-7\n"}), node.AL2023())
	if s := asJSON(t, got); err != nil || s != "{}" {
		t.Errorf("got %s, %v", s, err)
	}
}

func TestAFileOfThisBootIsNotFromBefore(t *testing.T) {
	root := tree(t, map[string]string{memoryFile: `{"policyName":"None","machineState":{}}`, "/proc/stat": "btime 1000000000\n"})
	later := time.Unix(1000000100, 0)
	if err := os.Chtimes(filepath.Join(root.String(), memoryFile), later, later); err != nil {
		t.Fatal(err)
	}
	if got, err := Managers(root, node.AL2023()); err != nil || got.Memory.BeforeBoot {
		t.Errorf("got %+v, %v", got.Memory, err)
	}
}

func TestStatesOfAllVersionsAreUnderstoodOrLeftAlone(t *testing.T) {
	for name, row := range map[string]struct{ content, policy, shared, all string }{
		"before 1.18":            {`{"policyName":"static","defaultCpuSet":"0-1","entries":{"id":"2-3"},"checksum":1}`, "static", "0-1", "0-3"},
		"policy none":            {`{"policyName":"none","defaultCpuSet":"","checksum":1}`, "none", "", ""},
		"pods with CPUs":         {`{"policyName":"static","defaultCpuSet":"0","entries":{},"podEntries":{"p":{"cpuSet":"1-3"}}}`, "static", "0", "0-3"},
		"the text inside counts": {`{"policyName":"static","defaultCpuSet":"0","data":"{\"policyName\":\"static\",\"defaultCpuSet\":\"0-3\"}","dataChecksum":1}`, "static", "0-3", "0-3"},
		"a list nobody knows":    {`{"policyName":"static","defaultCpuSet":"0x3"}`, "static", "", ""},
		"half written":           {`{"policyName":"sta`, "", "", ""},
		"empty":                  {``, "", "", ""},
		"something else":         {`[1,2]`, "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := cpuManagerState([]byte(row.content))
			if got.Policy != row.policy || got.Shared != row.shared || got.All != row.all {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestAStateThatCannotBeReadIsAnErrorAndNotAbsent(t *testing.T) {
	got, err := Managers(tree(t, map[string]string{cpuFile + "/x": ""}), node.AL2023())
	if err == nil || !strings.Contains(err.Error(), "what kubelet has written down") || got.CPU != nil {
		t.Errorf("got %+v, %v", got, err)
	}
}

func FuzzCPUManagerState(f *testing.F) {
	f.Add([]byte(`{"policyName":"static","defaultCpuSet":"0,4-7","entries":{"pod-a":{"c1":"1-2"}},"checksum":7}`))
	f.Add([]byte(`{"policyName":"static","data":"{}","podEntries":[["1"]]}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		s := cpuManagerState(content)
		shared, okShared := parseCPUs(s.Shared)
		all, okAll := parseCPUs(s.All)
		if !okShared || !okAll || string(hardware.CPUSetOf(shared)) != s.Shared || string(hardware.CPUSetOf(all)) != s.All || len(all) < len(shared) {
			t.Errorf("%q is %+v", content, s)
		}
	})
}

func FuzzMemoryManagerState(f *testing.F) {
	f.Add([]byte(`{"policyName":"Static","machineState":{"0":{"memoryMap":{"memory":{"total":18446744073709551615,"systemReserved":5}}}},"entries":{"p":{"c":[]}}}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		for _, n := range memoryManagerState(content).Nodes {
			for resource, total := range n.Total {
				if total < 0 || n.Reserved[resource] < 0 || n.Node < 0 {
					t.Errorf("%q has %+v", content, n)
				}
			}
		}
	})
}
