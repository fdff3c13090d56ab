package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// sample is what one run of a program cost.
type sample struct {
	Wall, CPU time.Duration
	// RSS is the largest resident set, in bytes.
	RSS int64
}

// measure runs a program several times and prints the median of what it cost,
// as JSON. The benchmark copies this program into an instance and calls it
// there. Between runs it executes --before, and with --cold it first drops the
// page cache of the given file.
func measure(flags *flag.FlagSet) func(context.Context, []string) error {
	runs := flags.Int("runs", 11, "how often")
	before := flags.String("before", "", "shell command to execute before each run")
	cold := flags.String("cold", "", "file to drop from the page cache before each run")
	limit := flags.String("read-limit", "", "limit reading from a disk, as MAJOR:MINOR BYTES-A-SECOND")
	return func(ctx context.Context, args []string) error {
		if len(args) == 0 {
			return errors.New("cannot measure: name a program")
		}
		if *limit != "" {
			if err := throttle(*limit); err != nil {
				return err
			}
		}
		var all []sample
		for range *runs {
			if *before != "" {
				if out, err := exec.CommandContext(ctx, "sh", "-euc", *before).CombinedOutput(); err != nil {
					return fmt.Errorf("cannot prepare a run: %w: %s", err, out)
				}
			}
			if *cold != "" {
				if err := evict(*cold); err != nil {
					return err
				}
			}
			s, err := once(ctx, args)
			if err != nil {
				return err
			}
			all = append(all, s)
		}
		return json.NewEncoder(os.Stdout).Encode(median(all))
	}
}

func once(ctx context.Context, args []string) (sample, error) {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	start := time.Now()
	out, err := cmd.CombinedOutput()
	wall := time.Since(start)
	if err != nil {
		return sample{}, fmt.Errorf("cannot measure %v: %w: %s", args, err, out)
	}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return sample{}, errors.New("cannot measure: this system tells no resource usage")
	}
	return sample{wall, cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), usage.Maxrss << 10}, nil
}

// median takes the median of each figure by itself.
func median(all []sample) sample {
	of := func(get func(sample) int64) int64 {
		var v []int64
		for _, s := range all {
			v = append(v, get(s))
		}
		slices.Sort(v)
		return v[len(v)/2]
	}
	return sample{
		Wall: time.Duration(of(func(s sample) int64 { return int64(s.Wall) })),
		CPU:  time.Duration(of(func(s sample) int64 { return int64(s.CPU) })),
		RSS:  of(func(s sample) int64 { return s.RSS }),
	}
}

// throttle puts this process, and so those that it starts, into a cgroup with a
// limit (cgroup v1, blkio).
func throttle(limit string) error {
	const group = "/sys/fs/cgroup/blkio/measure"
	if err := os.MkdirAll(group, 0o755); err != nil {
		return fmt.Errorf("cannot limit reading: %w", err)
	}
	for file, value := range map[string]string{"blkio.throttle.read_bps_device": limit, "cgroup.procs": strconv.Itoa(os.Getpid())} {
		if err := os.WriteFile(filepath.Join(group, file), []byte(value), 0o644); err != nil {
			return fmt.Errorf("cannot limit reading: %w", err)
		}
	}
	return nil
}

// evict drops a file from the page cache.
func evict(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
		return fmt.Errorf("cannot drop %s from the page cache: %w", path, err)
	}
	return nil
}
