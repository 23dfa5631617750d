package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/hale/internal/lab/testnet"
	"example.com/hale/internal/rigs/backend"
)

// asProgram is set for the test binary when it is to be the program.
const asProgram = "OTLP_TEST_AS_PROGRAM"

func init() {
	if os.Getenv(asProgram) != "" {
		main()
	}
}

// nobody is a user who may freeze nothing in the machine's own network.
const nobody = 65534

func TestAUserWithoutRightsReachesTheNetworkOutside(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		testnet.Missing(t, "root, to become another user")
	}
	metrics := new(metricsSink)
	traces := serveFake(t, new(fake), metrics)
	scrapes := backend.FreeAddrs(t, 1)[0]
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	// This binary's own folder is closed to others; this way in is not.
	cmd := exec.CommandContext(ctx, "/proc/self/exe", "-otlp", traces.addr, "-prometheus", scrapes, "-freeze-after", "500ms", "-run-on", "1s")
	cmd.Env = append(os.Environ(), asProgram+"=1")
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	page, scraped := scrape(ctx, scrapes)
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	if scraped != nil || !strings.Contains(page, "hale_connection_limit{") {
		t.Errorf("scraped: %v\n%s", scraped, page)
	}
	if traces.count("outage orders") != 1 || !metrics.has("hale.outage.active") {
		t.Errorf("the outage has not arrived\n%s", &out)
	}
}

// scrape returns the first page that has been served.
func scrape(ctx context.Context, addr string) (string, error) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for ; ; time.Sleep(50 * time.Millisecond) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/metrics", nil)
		if err != nil {
			return "", err
		}
		resp, err := client.Do(req)
		if ctx.Err() != nil {
			return "", fmt.Errorf("%w: %w", ctx.Err(), err)
		}
		if err != nil {
			continue
		}
		page, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err == nil && strings.Contains(string(page), "hale_") {
			return string(page), nil
		}
	}
}
