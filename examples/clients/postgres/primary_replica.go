package postgres

import (
	"context"
	"errors"
	"net"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"example.com/hale/pool"
	"example.com/hale/pool/cluster"
)

// NewCluster is hale's pools of the sessions of several servers, one of which is the
// primary. url names them all, as in postgres://user@a:5432,b:5432/database; it needs
// no target_session_attrs, for it is the ctx of a request that says what it needs:
//
//	err := c.Do(cluster.Want(ctx, cluster.Primary), write)
//	err := c.Do(cluster.Want(ctx, cluster.PreferReplica), read)
//
// Sessions are as those of [NewSessions]. The caller closes the cluster.
func NewCluster(url string, dial pgconn.DialFunc) (*cluster.Cluster[*pgconn.PgConn], error) {
	config, err := pgconn.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	config.DialFunc = dial // for cancel requests, too
	addresses, servers := split(config)
	sessions := sessionsPool()
	sessions.Monitor = pool.Monitor{After: time.Second} // a server that hangs is given up, too
	return cluster.New(cluster.Config[*pgconn.PgConn]{
		Resolve: cluster.Static(addresses...),
		Dial: func(ctx context.Context, e cluster.Endpoint) (net.Conn, error) {
			return connectSession(ctx, servers[e.Address])
		},
		Pool:     sessions,
		MaxConns: 2 * maxSessions,
		Role:     askRole,
		RoleOf:   knownRole,
		Demoted:  isReadOnly,
	})
}

// split makes of a config for several servers one for each, by their addresses.
// pgconn has them, each with TLS and without if need be, as fallbacks of the first.
func split(config *pgconn.Config) (addresses []string, servers map[string]*pgconn.Config) {
	servers = make(map[string]*pgconn.Config)
	first := &pgconn.FallbackConfig{Host: config.Host, Port: config.Port, TLSConfig: config.TLSConfig}
	for _, way := range append([]*pgconn.FallbackConfig{first}, config.Fallbacks...) {
		address := net.JoinHostPort(way.Host, strconv.Itoa(int(way.Port)))
		server := servers[address]
		if server == nil {
			server = config.Copy()
			server.Host, server.Port, server.TLSConfig, server.Fallbacks = way.Host, way.Port, way.TLSConfig, nil
			addresses, servers[address] = append(addresses, address), server
			continue
		}
		server.Fallbacks = append(server.Fallbacks, way)
	}
	return addresses, servers
}

func askRole(ctx context.Context, pg *pgconn.PgConn) (cluster.Role, error) {
	results, err := pg.Exec(ctx, "select pg_is_in_recovery()").ReadAll()
	if err != nil {
		return cluster.Any, err
	}
	if string(results[0].Rows[0][0]) == "t" {
		return cluster.Replica, nil
	}
	return cluster.Primary, nil
}

// knownRole is what the server has told the session last: since PostgreSQL 14 it does so
// unasked, with its next reply after a promotion.
func knownRole(pg *pgconn.PgConn) cluster.Role {
	switch pg.ParameterStatus("in_hot_standby") {
	case "on":
		return cluster.Replica
	case "off":
		return cluster.Primary
	}
	return cluster.Any
}

// isReadOnly is for a write that came to a standby: read_only_sql_transaction.
func isReadOnly(err error) bool {
	refused, ok := errors.AsType[*pgconn.PgError](err)
	return ok && refused.Code == "25006"
}
