package bootstrap

import (
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/hardware"
)

// What a boot decides before it touches anything.
func BenchmarkLoadConfiguration(b *testing.B) {
	in := []api.Input{{Name: "imds://user-data", Raw: []byte(configText("prod", "10"))}}
	for b.Loop() {
		if _, problems := api.Load(in, api.Options{}, time.Time{}); api.HasErrors(problems) {
			b.Fatal(problems)
		}
	}
}

func BenchmarkDetectHardware(b *testing.B) {
	for b.Loop() {
		hardware.Detect(os.DirFS("/"), runtime.GOARCH)
	}
}
