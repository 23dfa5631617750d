package mdcode

// Packages are those that blocks of this repository's documents may use without an import,
// by the name that they use. The standard library's and hale's own come first.
var Packages = map[string]string{
	"bufio":     "bufio",
	"bytes":     "bytes",
	"cmp":       "cmp",
	"context":   "context",
	"driver":    "database/sql/driver",
	"errors":    "errors",
	"expvar":    "expvar",
	"fmt":       "fmt",
	"http":      "net/http",
	"io":        "io",
	"log":       "log",
	"net":       "net",
	"netip":     "net/netip",
	"os":        "os",
	"signal":    "os/signal",
	"slog":      "log/slog",
	"smtp":      "net/smtp",
	"sql":       "database/sql",
	"sync":      "sync",
	"syscall":   "syscall",
	"testing":   "testing",
	"time":      "time",
	"tls":       "crypto/tls",
	"httptrace": "net/http/httptrace",

	"cluster":    "example.com/hale/pool/cluster",
	"deathwatch": "example.com/hale/health/deathwatch",
	"debugpage":  "example.com/hale/pool/debugpage",
	"goleak":     "go.uber.org/goleak",
	"hale":       "example.com/hale",
	"health":     "example.com/hale/health",
	"healthtest": "example.com/hale/health/healthtest",
	"heartbeat":  "example.com/hale/health/heartbeat",
	"otelhale":   "example.com/hale/otel",
	"pool":       "example.com/hale/pool",
	"sdktrace":   "go.opentelemetry.io/otel/sdk/trace",
	"sockopt":    "example.com/hale/sockopt",

	// In module examples/clients.
	"credentials": "google.golang.org/grpc/credentials",
	"grpc":        "google.golang.org/grpc",
	"kgo":         "github.com/twmb/franz-go/pkg/kgo",
	"ldap":        "github.com/go-ldap/ldap/v3",
	"mysql":       "github.com/go-sql-driver/mysql",
	"nats":        "github.com/nats-io/nats.go",
	"pgconn":      "github.com/jackc/pgx/v5/pgconn",
	"pgx":         "github.com/jackc/pgx/v5",
	"pgxpool":     "github.com/jackc/pgx/v5/pgxpool",
	"redis":       "github.com/redis/go-redis/v9",
	"ssh":         "golang.org/x/crypto/ssh",
	"stdlib":      "github.com/jackc/pgx/v5/stdlib",
}

// elsewhere are the modules that only examples/clients has.
var elsewhere = []string{
	"github.com/", "golang.org/x/crypto/", "google.golang.org/grpc",
}
