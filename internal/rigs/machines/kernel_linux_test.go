package machines

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"example.com/hale/internal/lab/testnet"
)

// A kernel is one that a release of Debian has, unpacked.
type kernel struct {
	release string // of Debian
	arch    string // as Debian calls it
}

// The kernels, with the version that each release had in November 2026.
var (
	oldest = kernel{"bullseye", "amd64"} // 5.10
	usual  = kernel{"bookworm", "amd64"} // 6.1: what most experiments run on
	newer  = kernel{"trixie", "amd64"}   // 6.12
	newest = kernel{"sid", "amd64"}      // 7.x

	arm64 = kernel{"bookworm", "arm64"}
)

// fetching is held by who fills the cache.
var fetching sync.Mutex

// folder returns where the kernel is.
func (k kernel) folder(t *testing.T) string {
	t.Helper()
	return unpacked(t, "kernel-"+k.release+"-"+k.arch, k.release, k.arch, func(apt func(...string) string) []string {
		return kernelPackages(apt("apt-cache", "depends", "--recurse", "--important", "linux-image-cloud-"+k.arch))
	})
}

// unpacked returns a folder in the user's cache that has packages of a release of
// Debian in it. If it is not there they are fetched: choose says which, and may ask
// apt's programs.
func unpacked(t *testing.T, name, release, arch string, choose func(apt func(...string) string) []string) string {
	t.Helper()
	needProgram(t, "apt-get", "apt")
	needProgram(t, "dpkg", "dpkg")
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(cache, "hale", "machines", name)
	fetching.Lock()
	defer fetching.Unlock()
	if _, err := os.Stat(folder); errors.Is(err, os.ErrNotExist) {
		fetch(t, folder, release, arch, choose)
	}
	return folder
}

// fetch downloads packages and unpacks them. It uses lists and settings of its own, so
// that apt's are left as they are, and the mirror that apt has.
func fetch(t *testing.T, folder, release, arch string, choose func(apt func(...string) string) []string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(folder), 0o755); err != nil {
		t.Fatal(err)
	}
	scratch, err := os.MkdirTemp(filepath.Dir(folder), "new-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(scratch)
	at := func(name string) string { return filepath.Join(scratch, name) }
	for _, name := range []string{"lists/partial", "cache/archives/partial", "debs", "files"} {
		if err := os.MkdirAll(at(name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	source := fmt.Sprintf("deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n", mirror(t), release)
	if err := os.WriteFile(at("sources.list"), []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	options := []string{
		"-q", "-o", "Dir::Etc::SourceList=" + at("sources.list"), "-o", "Dir::Etc::SourceParts=" + at("none"),
		"-o", "Dir::State::Lists=" + at("lists"), "-o", "Dir::Cache=" + at("cache"),
		"-o", "Dir::State::status=" + at("status"),
		"-o", "APT::Architecture=" + arch, "-o", "APT::Architectures=" + arch,
		"-o", "APT::Sandbox::User=root", "-o", "Acquire::Languages=none",
		// A mirror that is a picture of some day has lists that are out of date, and signed.
		"-o", "Acquire::Check-Valid-Until=false",
	}
	if err := os.WriteFile(at("status"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	apt := func(command ...string) string {
		return run(t, at("debs"), []string{"LC_ALL=C"}, command[0], slices.Concat(options, command[1:])...)
	}
	apt("apt-get", "update")
	names := choose(apt)
	if len(names) == 0 {
		t.Fatalf("%s has nothing of that for %s", release, arch)
	}
	apt(slices.Concat([]string{"apt-get", "download"}, names)...)
	debs, err := filepath.Glob(at("debs/*.deb"))
	if err != nil {
		t.Fatal(err)
	}
	for _, deb := range debs {
		run(t, scratch, nil, "dpkg", "-x", deb, at("files"))
	}
	if err := os.Rename(at("files"), folder); err != nil {
		t.Fatal(err)
	}
}

// mirror is where this machine's apt gets Debian from.
func mirror(t *testing.T) string {
	t.Helper()
	for range 2 {
		targets := run(t, "/", nil, "apt-get", "indextargets", "--format", "$(REPO_URI)",
			"Created-By: Packages", "Label: Debian", "Component: main")
		if first, _, _ := strings.Cut(targets, "\n"); first != "" {
			return first
		}
		run(t, "/", nil, "apt-get", "-q", "update")
	}
	testnet.Missing(t, "a Debian mirror in apt's sources")
	return ""
}

// A kernel is in one package, or from 7 on in one for itself and one for its modules.
var kernelPackage = regexp.MustCompile(`^linux-(image|binary|modules)-\d\S*$`)

// kernelPackages reads the packages out of what apt-cache depends prints.
func kernelPackages(printed string) (names []string) {
	for line := range strings.Lines(printed) {
		if name := strings.TrimRight(line, "\n"); kernelPackage.MatchString(name) {
			names = append(names, name)
		}
	}
	return names
}

func TestTheKernelsPackagesAreFound(t *testing.T) {
	t.Parallel()
	got := kernelPackages("linux-image-cloud-amd64\n  Depends: linux-image-7.1-cloud-amd64\n" +
		"linux-image-7.1-cloud-amd64\n  Depends: linux-base\nlinux-modules-7.1-cloud-amd64\nlinux-base\n")
	if strings.Join(got, " ") != "linux-image-7.1-cloud-amd64 linux-modules-7.1-cloud-amd64" {
		t.Errorf("%q", got)
	}
}
