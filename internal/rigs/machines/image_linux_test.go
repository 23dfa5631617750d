package machines

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// An image is what a machine has in place of a disk: an archive of files that the
// kernel unpacks into its memory (initramfs-buffer-format.rst of Linux), in the format
// newc of cpio. It is not compressed, which would take the machine longer to undo than
// it takes to read it.
type image struct {
	bytes.Buffer
	has   map[string]bool
	inode int
}

// add adds a file or folder, and the folders above it.
func (i *image) add(name string, mode uint32, content []byte) {
	if i.has[name] {
		return
	}
	if i.has == nil {
		i.has = make(map[string]bool)
	}
	i.has[name] = true
	if dir := filepath.Dir(name); dir != "." {
		i.add(dir, unix.S_IFDIR|0o755, nil)
	}
	i.inode++
	i.entry(name, i.inode, mode, content)
}

func (i *image) entry(name string, inode int, mode uint32, content []byte) {
	fmt.Fprintf(i, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00",
		inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name)+1, 0, name)
	i.pad()
	i.Write(content)
	i.pad()
}

func (i *image) pad() { i.Write(make([]byte, -i.Len()&3)) }

// file adds a file of this machine.
func (i *image) file(t *testing.T, name, path string, mode uint32) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	i.add(name, unix.S_IFREG|mode, content)
}

// program adds a program of this machine, with the libraries that it needs.
func (i *image) program(t *testing.T, name string) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		path = "/usr/sbin/" + name
	}
	i.file(t, strings.TrimPrefix(path, "/"), path, 0o755)
	for word := range strings.FieldsSeq(run(t, "/", nil, "ldd", path)) {
		if filepath.IsAbs(word) {
			i.file(t, strings.TrimPrefix(word, "/"), word, 0o755)
		}
	}
}

// tree adds the files below a folder of this machine, but for what has to do with
// its being a repository, and other modules.
func (i *image) tree(t *testing.T, name, folder string) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		below, err := filepath.Rel(folder, path)
		switch {
		case err != nil:
			return err
		case d.IsDir() && (below == ".git" || below == "internal/rigs" || below == "examples/clients"):
			return fs.SkipDir
		case d.Type().IsRegular():
			i.file(t, filepath.Join(name, below), path, 0o644)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// done is the image's content.
func (i *image) done() []byte {
	i.entry("TRAILER!!!", 0, 0, nil)
	return i.Bytes()
}

// modulesOf are the kernel's modules that a machine may need: its network card, and
// what tests do with networks. What a kernel has built in is not there.
var modulesOf = []string{
	"virtio", "virtio_ring", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci",
	"failover", "net_failover", "virtio_net",
	"veth", "bridge", "llc", "stp", "libcrc32c", "crc32c_generic", "nfnetlink", "nf_defrag_ipv4", "nf_defrag_ipv6",
	"nf_conntrack", "nf_conntrack_netlink", "nf_nat", "nf_tables", "nft_counter", "nft_ct", "nft_nat", "nft_chain_nat",
	"nf_reject_ipv4", "nf_reject_ipv6", "nft_reject", "nft_reject_ipv4", "nft_reject_inet",
	"inet_diag", "tcp_diag", "sch_netem", "tun", "dummy",
}

// modules adds those of the kernel.
func (i *image) modules(t *testing.T, k kernel) {
	t.Helper()
	at := make(map[string]string)
	err := filepath.WalkDir(k.folder(t), func(path string, _ fs.DirEntry, err error) error {
		name, _, is := strings.Cut(filepath.Base(path), ".ko")
		if is {
			at[name] = path
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for order, name := range modulesOf {
		path, ok := at[name]
		if !ok {
			continue
		}
		content, err := os.ReadFile(path)
		if strings.HasSuffix(path, ".xz") {
			needProgram(t, "xz", "xz-utils")
			content = []byte(run(t, "/", nil, "xz", "-dc", path))
		}
		if err != nil {
			t.Fatal(err)
		}
		i.add(fmt.Sprintf("modules/%02d-%s.ko", order, name), unix.S_IFREG|0o644, content)
	}
}

// path is the file of the kernel itself, which is in /boot, or from 7 on beside its
// modules.
func (k kernel) path(t *testing.T) (path string) {
	t.Helper()
	err := filepath.WalkDir(k.folder(t), func(at string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && strings.HasPrefix(d.Name(), "vmlinuz") {
			path = at
			return fs.SkipAll
		}
		return err
	})
	if err != nil || path == "" {
		t.Fatalf("no kernel in %s: %v", k.folder(t), err)
	}
	return path
}

// goarch is the architecture as Go calls it: all that there are here have the same
// names in Debian.
func (k kernel) goarch() string { return k.arch }

// build builds what the go command is told, of a module of the project's, as a
// program that needs no libraries.
func build(t *testing.T, module, goarch string, args ...string) {
	t.Helper()
	run(t, module, []string{"CGO_ENABLED=0", "GOARCH=" + goarch, "GOFLAGS="}, "go", args...)
}

// The modules of the project, seen from this folder.
var (
	rigsFolder = absolute("..")
	haleFolder = absolute("../../..")
)

// absolute is done at the start: a path below the folder that tests are started in.
func absolute(path string) string {
	path, err := filepath.Abs(path)
	if err != nil {
		panic(err)
	}
	return path
}

// making is held, by what is made, by who makes it.
var making = map[string]*sync.Mutex{"guest": {}, "image": {}, "test": {}}

// once makes a file in the folder that the experiments work in, unless it is there.
func once(what, name string, make func(path string)) (path string) {
	path = workFile(what + "-" + name)
	making[what].Lock()
	defer making[what].Unlock()
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		make(path)
	}
	return path
}

// guest is the path of the program that runs in machines, and beside them.
func guest(t *testing.T, goarch string) string {
	t.Helper()
	return once("guest", goarch, func(path string) {
		build(t, rigsFolder, goarch, "build", "-ldflags=-s -w", "-o", path, "./machines/guest")
	})
}

// base is an image with the guest and its modules.
func base(t *testing.T, k kernel) *image {
	t.Helper()
	i := &image{}
	for _, folder := range []string{"proc", "sys", "dev", "tmp", "run", "var", "etc"} {
		i.add(folder, unix.S_IFDIR|0o755, nil)
	}
	i.add("etc/hosts", unix.S_IFREG|0o644, []byte("127.0.0.1 localhost\n"))
	i.file(t, "init", guest(t, k.goarch()), 0o755)
	i.modules(t, k)
	return i
}

// plainImage is the file of an image with nothing else.
func plainImage(t *testing.T, k kernel) string {
	t.Helper()
	return once("image", k.release+"-"+k.arch, func(path string) { writeImage(t, path, base(t, k)) })
}

func writeImage(t *testing.T, path string, i *image) {
	t.Helper()
	if err := os.WriteFile(path, i.done(), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestAnImageIsWhatCpioReads(t *testing.T) {
	t.Parallel()
	needProgram(t, "cpio", "cpio")
	i := &image{}
	i.add("a/b/file", unix.S_IFREG|0o640, []byte("hello"))
	i.add("a/other", unix.S_IFREG|0o755, []byte("x"))
	cmd := exec.CommandContext(t.Context(), "cpio", "-i", "-d", "--quiet")
	cmd.Dir, cmd.Stdin = t.TempDir(), bytes.NewReader(i.done())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	got, err := os.ReadFile(filepath.Join(cmd.Dir, "a/b/file"))
	if err != nil || string(got) != "hello" {
		t.Errorf("%q %v", got, err)
	}
	info, err := os.Stat(filepath.Join(cmd.Dir, "a/other"))
	if err != nil || info.Mode() != 0o755 || info.Size() != 1 {
		t.Errorf("%v %v", info, err)
	}
}
