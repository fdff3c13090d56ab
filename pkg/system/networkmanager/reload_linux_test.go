package networkmanager

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/godbus/dbus/v5"
)

// object answers every call alike, and writes down what it was asked.
type object struct {
	dbus.BusObject
	body  []any
	err   error
	calls []string
	args  []any
}

func (o *object) CallWithContext(_ context.Context, method string, _ dbus.Flags, args ...any) *dbus.Call {
	o.calls, o.args = append(o.calls, method), args
	return &dbus.Call{Body: o.body, Err: o.err}
}

func TestNetworkManagerIsToldOnlyWhereItRuns(t *testing.T) {
	for name, tt := range map[string]struct {
		bus, nm object
		asked   int
		err     string
	}{
		"runs":             {bus: object{body: []any{true}}, asked: 1},
		"does not run":     {bus: object{body: []any{false}}},
		"refuses":          {bus: object{body: []any{true}}, nm: object{err: errors.New("access denied")}, asked: 1, err: "cannot make NetworkManager read its configuration again: access denied"},
		"bus is broken":    {bus: object{err: errors.New("closed")}, err: "cannot tell whether NetworkManager runs: closed"},
		"bus says nothing": {bus: object{}, err: "cannot tell whether NetworkManager runs"},
	} {
		t.Run(name, func(t *testing.T) {
			err := reload(t.Context(), &tt.bus, &tt.nm)
			if (err != nil) != (tt.err != "") || err != nil && !strings.HasPrefix(err.Error(), tt.err) {
				t.Errorf("error %v, want %q", err, tt.err)
			}
			if len(tt.nm.calls) != tt.asked || tt.asked == 1 && (tt.nm.calls[0] != "org.freedesktop.NetworkManager.Reload" || tt.nm.args[0] != uint32(1)) {
				t.Errorf("it was asked %v %v", tt.nm.calls, tt.nm.args)
			}
		})
	}
}
