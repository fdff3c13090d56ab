package windows

import (
	"bytes"
	"debug/pe"
	"strings"
	"testing"
)

func TestTheForwarderIsADLL(t *testing.T) {
	b := forwarder("x.dll", "Ask", "y.Answer")
	f, err := pe.NewFile(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if f.Characteristics&pe.IMAGE_FILE_DLL == 0 || len(f.Sections) != 1 || f.Section(".edata") == nil {
		t.Errorf("%+v", f.FileHeader)
	}
	text, err := f.Sections[0].Data()
	if err != nil || !strings.Contains(string(text), "x.dll\x00Ask\x00y.Answer\x00") {
		t.Errorf("%v, %q", err, text)
	}
}
