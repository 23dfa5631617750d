package backend

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

const (
	jaegerModule  = "github.com/jaegertracing/jaeger"
	jaegerVersion = "v1.76.0" // has Jaeger 2 in cmd/jaeger
)

// JaegerPath returns where [BuildJaeger] puts its program: the name has the
// version, in the user's cache.
func JaegerPath() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(cache, "hale", "jaeger-"+jaegerVersion), nil
}

// BuildJaeger builds Jaeger from its Go module, unless that was done before,
// and returns the program's path. It takes minutes if Go's caches are empty.
// The go command tells on log what it does. BuildJaeger may run more than once
// at a time; a program that is there is whole.
func BuildJaeger(ctx context.Context, log io.Writer) (string, error) {
	path, err := JaegerPath()
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	scratch, err := os.MkdirTemp(filepath.Dir(path), "build-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(scratch)
	source, err := downloadJaeger(ctx, scratch, log)
	if err != nil {
		return "", err
	}
	// In its own folder, Jaeger is the main module: its replacements and
	// checksums hold.
	built := filepath.Join(scratch, "jaeger")
	build := goCommand(ctx, log, "build", "-mod=readonly", "-trimpath", "-ldflags=-s -w", "-o", built, "./cmd/jaeger")
	build.Dir = source
	build.Env = append(build.Env, "CGO_ENABLED=0")
	if err := build.Run(); err != nil {
		return "", fmt.Errorf("build Jaeger: %w", err)
	}
	return path, os.Rename(built, path)
}

// downloadJaeger returns the folder of the module's files, in Go's module
// cache. The go command has compared them with the checksum database.
func downloadJaeger(ctx context.Context, scratch string, log io.Writer) (string, error) {
	download := goCommand(ctx, log, "mod", "download", "-json", jaegerModule+"@"+jaegerVersion)
	download.Dir = scratch // which is in no module
	var out bytes.Buffer
	download.Stdout = &out
	err := download.Run()
	var answer struct{ Dir, Error string }
	if bad := json.Unmarshal(out.Bytes(), &answer); err == nil {
		err = bad
	}
	if err != nil {
		return "", fmt.Errorf("download Jaeger: %w: %s", err, answer.Error)
	}
	return answer.Dir, nil
}

// goCommand is the go command without this machine's settings for other
// modules.
func goCommand(ctx context.Context, log io.Writer, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")
	cmd.Stdout, cmd.Stderr = log, log
	return cmd
}
