package healthtest

import "fmt"

// Isolate sees to it that the process may use [Freeze]. Call it first thing in
// main or TestMain, for everything before it runs twice:
//
//	func TestMain(m *testing.M) {
//		if err := healthtest.Isolate(); err != nil {
//			log.Print(err) // tests that call Freeze have to skip
//		}
//		os.Exit(m.Run())
//	}
//
// If the process may freeze already (root may), Isolate returns nil at once.
// Otherwise it starts the same program again, with the same arguments,
// environment, working directory and standard files, in a user and a network
// namespace of its own. There Isolate returns nil. In the first process it
// does not return any more: it passes SIGHUP, SIGINT, SIGQUIT and SIGTERM on,
// waits, and exits with the status of the second (128 plus the signal's number
// if a signal ended that one). The second dies if the first is killed. Both
// being in the foreground, Ctrl-C may reach the second twice.
//
// Inside, the loopback interface is up and is the only one: the network
// outside is out of reach, but for what [ListenOutside] has made, and ports
// there are free to use here. User and
// group stay what they were. The process has CAP_NET_ADMIN, CAP_NET_RAW,
// CAP_NET_BIND_SERVICE and CAP_SYS_ADMIN over its namespaces, and so have the
// programs it starts; over the machine it has no more than before. Other users
// and groups than its own do not exist there: files of theirs show as
// nobody's.
//
// The error says which step the system refused. Containers and some
// distributions forbid user namespaces; then Isolate has changed nothing and
// returns in the first process, for a caller whose tests skip by name. It
// matches [errors.ErrUnsupported] on systems other than Linux, and on kernels that
// take a socket filter and do not keep it (gVisor). Isolate may be called again, but
// not concurrently.
func Isolate() error {
	if err := isolate(); err != nil {
		return fmt.Errorf("healthtest: isolate: %w", err)
	}
	return nil
}
