package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/mattn/go-sqlite3"
)

// maxRow bounds what one row may hold in bytes, whoever wrote it: the longest of our own, a
// picture or policy of maxText, and what belongs to it.
const maxRow = maxText + 64<<10

// maxText bounds a picture and a policy.
const maxText = 4 << 20

// A connector opens connections with everything set that the store relies on. It stands
// here in place of a registered driver name, which would be global.
type connector struct {
	dsn    string
	driver *sqlite3.SQLiteDriver
}

func (c connector) Connect(context.Context) (driver.Conn, error) { return c.driver.Open(c.dsn) }
func (c connector) Driver() driver.Driver                        { return c.driver }

// A pool is what the connections of one purpose have of their own.
type pool struct {
	conns  int
	writes bool
	wait   time.Duration // for another connection's lock
}

// The pools. Each waits for itself: who reads lists keeps nobody from a look at a revision, and
// who empties the write-ahead log nobody from writing.
func (db *DB) connect() {
	db.writer = connect(db.path, pool{1, true, lockWait})
	db.reader = connect(db.path, pool{4, false, lockWait})
	db.lists = connect(db.path, pool{2, false, lockWait})
	db.sweeper = connect(db.path, pool{1, false, 0})
}

// lockWait is how long a process waits for another one's transaction.
const lockWait = 5 * time.Second

// connect makes a pool on the file. Writers take the write lock when they begin, so that a
// transaction that has read never has to give up; readers cannot write at all.
func connect(path string, p pool) *sql.DB {
	q := url.Values{
		"_journal_mode":    {"WAL"},
		"_synchronous":     {"FULL"}, // a commit is on the disk, not on its way
		"_foreign_keys":    {"on"},
		"_secure_delete":   {"on"}, // erased means overwritten
		"_busy_timeout":    {strconv.FormatInt(p.wait.Milliseconds(), 10)},
		"_stmt_cache_size": {"32"},
		"mode":             {"rw"},
		"_txlock":          {"immediate"},
	}
	if !p.writes {
		q.Set("_txlock", "deferred")
		q.Set("_query_only", "on")
	}
	d := &sqlite3.SQLiteDriver{ConnectHook: func(c *sqlite3.SQLiteConn) error {
		c.SetLimit(sqlite3.SQLITE_LIMIT_LENGTH, maxRow)
		// A schema altered on the disk gets to run no functions; damaged pages are noticed.
		_, err := c.Exec("PRAGMA trusted_schema = off; PRAGMA cell_size_check = on; PRAGMA temp_store = memory", nil)
		return err
	}}
	db := sql.OpenDB(connector{dsn: dsn(path, q), driver: d})
	db.SetMaxOpenConns(p.conns)
	db.SetMaxIdleConns(p.conns)
	return db
}

// dsn names the file so that no character of its path is taken for something else.
func dsn(path string, q url.Values) string {
	return "file:" + strings.ReplaceAll(url.PathEscape(path), "%2F", "/") + "?" + q.Encode()
}
