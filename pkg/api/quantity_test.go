package api_test

import (
	"strings"
	"testing"

	"github.com/eksnode/eksnode/pkg/api"
)

func TestQuantitiesAreReadAsKubernetesReadsThem(t *testing.T) {
	for s, want := range map[string]int64{
		"0": 0, "1": 1000, "100m": 100, "2.5": 2500, ".5": 500, "5.": 5000, "+1": 1000, "007": 7000, "1e3": 1_000_000, "1E3": 1_000_000,
		"1e-3": 1, "1e-4": 1, "1n": 1, "0n": 0, "1u": 1, "1500u": 2, "0.0001": 1, "1k": 1_000_000, "1M": 1e9, "1G": 1e12, "1T": 1e15, "1P": 1e18,
		"1Ki": 1024_000, "1Mi": 1048576_000, "1Gi": 1073741824_000, "1.5Gi": 1610612736_000, "1Ti": 1099511627776_000, "1Pi": 1125899906842624_000,
		"0Ei": 0, "0E": 0, "0.0010Ei": 1152921504606846976, "8191Ti": 9006099743113216_000,
	} {
		if got, err := api.ParseQuantity(s); err != nil || got != want {
			t.Errorf("%s: got %d, %v, want %d", s, got, err, want)
		}
	}
	for s, want := range map[string]string{
		"": "write a number", "m": "write a number", ".": "write a number", "1 Gi": "write a number", "1gi": "write a number", "1GB": "write a number",
		"1K": "write a number", "1.2.3": "write a number", "1e": "write a number", "1e9999": "write a number", "++1": "write a number", "-": "write a number", "0x1": "write a number",
		"١": "write a number", "1\n": "write a number", strings.Repeat("1", 65): "write a number",
		"-1": "negative", "-100m": "negative",
		"1E": "too large", "8Ei": "too large", "8192Pi": "too large", "1e999": "too large", "9223372036854775.808": "too large", strings.Repeat("9", 64): "too large",
	} {
		if got, err := api.ParseQuantity(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %d, %v, want an error with %q", s, got, err, want)
		}
	}
}
