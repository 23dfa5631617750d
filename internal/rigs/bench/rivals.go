package bench

import (
	"time"

	"example.com/hale/health"
	"example.com/hale/pool"
)

// Rivals are the pools that this module can do with. After + is what a pool does
// at each Acquire beyond what it does by itself.
var Rivals = []Rival{
	{"hale", openHale(pool.Config[conn]{KeepUnread: true}, untouched)},
	{"hale+lifetime", openHale(pool.Config[conn]{KeepUnread: true, MaxConnLifetime: time.Hour}, untouched)},
	{"hale+peek", openHale(pool.Config[conn]{}, touched)},
	{"puddle", openPuddle(trusted)},
	{"puddle+peek", openPuddle(health.Check)},
	{"sql", openSQL},
	{"commons-pool", openCommons},
	{"pgxpool", openPgx},
	{"go-redis", openRedis},
	{"channel", openChannel},
}
