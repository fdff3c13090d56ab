// Command awsnode stands for the VPC CNI's daemon: on its node's network it asks the metadata service for the node's
// primary address, and writes a CNI network with the pod range that belongs to the address into /host/etc/cni/net.d.
// The file appears whole, and stays when the daemon ends, as the VPC CNI's does.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	imds = "http://169.254.169.254"
	// file has the VPC CNI's own name, so that what looks for it finds it.
	file = "/host/etc/cni/net.d/10-aws.conflist"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	for {
		cidr, err := podRange(ctx)
		if err == nil {
			err = write(cidr)
		}
		if err == nil {
			fmt.Printf("wrote %s for pods in %s\n", file, cidr)
			break
		}
		fmt.Fprintln(os.Stderr, "cannot set up the pod network, will try again:", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Second):
		}
	}
	<-ctx.Done()
}

// podRange is 10.0.(54+last byte).0/24; the lab routes it to the node.
func podRange(ctx context.Context) (string, error) {
	token, err := ask(ctx, http.MethodPut, "/latest/api/token", "X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "60")
	if err != nil {
		return "", err
	}
	text, err := ask(ctx, http.MethodGet, "/latest/meta-data/local-ipv4", "X-Aws-Ec2-Metadata-Token", token)
	if err != nil {
		return "", err
	}
	addr, err := netip.ParseAddr(text)
	if err != nil || !addr.Is4() {
		return "", fmt.Errorf("local-ipv4 is %q", text)
	}
	return fmt.Sprintf("10.0.%d.0/24", 54+int(addr.As4()[3])), nil
}

func ask(ctx context.Context, method, path, header, value string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, imds+path, nil)
	if err != nil {
		return "", err
	}
	req.Header.Set(header, value)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s %s: %s", method, path, resp.Status)
	}
	return strings.TrimSpace(string(body)), nil
}

func write(cidr string) error {
	network := map[string]any{
		"cniVersion": "1.0.0", "name": "aws-cni",
		"plugins": []any{
			map[string]any{"type": "bridge", "bridge": "cni0", "isGateway": true, "hairpinMode": true,
				"ipam": map[string]any{"type": "host-local",
					"ranges": []any{[]any{map[string]any{"subnet": cidr}}},
					"routes": []any{map[string]any{"dst": "0.0.0.0/0"}}}},
			map[string]any{"type": "portmap", "capabilities": map[string]any{"portMappings": true}},
		},
	}
	data, err := json.MarshalIndent(network, "", "  ")
	if err != nil {
		return err
	}
	tmp := filepath.Join(filepath.Dir(file), ".10-aws.conflist.tmp")
	if err := os.WriteFile(tmp, append(data, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, file)
}
