//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/eksnode/eksnode/test/lab"
)

// info is what a running lab tells the other commands.
type info struct {
	ID        string
	Instances []instanceInfo
	// Kubectl is how kubectl is called.
	Kubectl []string
}

type instanceInfo struct {
	Name, ID, IP, NodeName, State string
	Leader                        int
}

func infoOf(i *lab.Instance) instanceInfo {
	out := instanceInfo{Name: i.Name, ID: i.ID(), IP: i.IP(), NodeName: i.NodeName(), State: "off", Leader: i.Leader()}
	if out.Leader != 0 {
		out.State = "on"
	}
	return out
}

// serve answers the other commands until ctx ends or one of them says so.
func serve(ctx context.Context, l *lab.Lab) error {
	ctx, end := context.WithCancel(ctx)
	defer end()
	listener, err := net.Listen("unix", socket(l.Dir))
	if err != nil {
		return fmt.Errorf("cannot serve other commands: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		known := info{ID: l.ID, Kubectl: l.KubectlCommand()}
		for _, i := range l.Instances() {
			known.Instances = append(known.Instances, infoOf(i))
		}
		reply(w, known, nil)
	})
	mux.HandleFunc("GET /nodeconfig", func(w http.ResponseWriter, r *http.Request) {
		config, err := l.NodeConfig(lab.NodeConfigOptions{Containerd: r.FormValue("containerd")})
		reply(w, config, err)
	})
	mux.HandleFunc("POST /launch", func(w http.ResponseWriter, r *http.Request) {
		var spec lab.InstanceSpec
		if err := json.NewDecoder(r.Body).Decode(&spec); err != nil {
			reply(w, nil, err)
			return
		}
		i, err := launchWithDefaults(r.Context(), l, spec)
		if err != nil {
			reply(w, nil, err)
			return
		}
		reply(w, infoOf(i), nil)
	})
	mux.HandleFunc("POST /down", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, nil, nil)
		end()
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Shutdown(context.WithoutCancel(ctx)) })
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("cannot serve other commands: %w", err)
	}
	return nil
}

// launchWithDefaults launches an instance whose user data, where there is none, joins it to the cluster.
func launchWithDefaults(ctx context.Context, l *lab.Lab, spec lab.InstanceSpec) (*lab.Instance, error) {
	if spec.UserData == nil {
		config, err := l.NodeConfig(lab.NodeConfigOptions{Containerd: spec.Containerd})
		if err != nil {
			return nil, err
		}
		spec.UserData = lab.MIME(lab.NodeConfigPart(config))
	}
	return l.Launch(ctx, spec)
}

func reply(w http.ResponseWriter, v any, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the asker may be gone
}

// running finds the run folder of a living lab: the one with the id, or the only one.
func running(ctx context.Context, id string) (string, error) {
	labs, err := lab.Labs(ctx)
	if err != nil {
		return "", err
	}
	var found []string
	for _, l := range labs {
		if l.Alive && (id == "" || id == l.ID) {
			found = append(found, l.RunDir)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return "", errors.New("cannot find a running lab: start one with lab up")
	default:
		return "", errors.New("cannot tell which lab is meant: several run; name one with --lab (see lab list)")
	}
}

func inspect(ctx context.Context, id string) (info, string, error) {
	dir, err := running(ctx, id)
	if err != nil {
		return info{}, "", err
	}
	var known info
	err = ask(ctx, dir, http.MethodGet, "/", nil, &known)
	return known, dir, err
}

// ask sends a request to a lab that "lab up" started.
func ask(ctx context.Context, runDir, method, path string, in, out any) error {
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket(runDir))
	}}}
	var body bytes.Buffer
	if in != nil {
		if err := json.NewEncoder(&body).Encode(in); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://lab"+path, &body)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("cannot ask the lab in %s: %w", runDir, err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("cannot ask the lab in %s: %w", runDir, err)
	}
	if resp.StatusCode != http.StatusOK {
		return errors.New(strings.TrimSpace(string(data)))
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(data, out)
}
