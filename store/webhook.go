package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"facegate/access"
	"facegate/store/seal"
)

// Bounds of the webhooks that wait.
const (
	webhookLife = 24 * time.Hour // after which one is given up
	maxWebhooks = 10_000
	maxWebhook  = 64 << 10 // bytes of one body
)

// A Webhook is a call to another server that waits to be made.
type Webhook struct {
	ID      string // given by the store
	API     string // and project that it is of, whose secret it is signed with
	Project string
	URL     string
	Body    []byte // at most 64 KiB
	Person  string // whom it is about: it is erased with them. May be empty
	Next    time.Time
	Created time.Time
	Tries   int // that have failed
}

// LogValue is the id: a URL may hold a secret.
func (w Webhook) LogValue() slog.Value { return slog.StringValue(w.ID) }

// Format prints the id whatever the verb.
func (w Webhook) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "webhook %s", w.ID) }

// webhookData is what is sealed of a webhook.
type webhookData struct {
	API     string `json:"api"`
	Project string `json:"project"`
	URL     string `json:"url"`
	Body    []byte `json:"body"`
}

func webhookPlace(id, person string) seal.Place {
	return seal.Place{Kind: "webhook", Person: person, Model: id}
}

// AddWebhook puts a call in the outbox, to be made at w.Next, or now where that is the zero
// time. The error wraps access.ErrInvalid where w is not fit to keep and access.ErrTooMany where
// 10 000 wait already.
func (tx *Tx) AddWebhook(w Webhook) error {
	if err := CheckWebhookURL(w.URL); err != nil {
		return err
	}
	if len(w.Body) > maxWebhook {
		return fmt.Errorf("%w: a webhook of %d bytes, more than %d", access.ErrInvalid, len(w.Body), maxWebhook)
	}
	for _, t := range []struct{ what, text string }{{"API", w.API}, {"project name", w.Project}, {"webhook's person", w.Person}} {
		if err := checkWord(t.what, t.text, 128); err != nil {
			return err
		}
	}
	var waiting int
	if err := tx.sql.QueryRowContext(tx.ctx, "SELECT count(*) FROM webhook").Scan(&waiting); err != nil {
		return fmt.Errorf("count webhooks: %w", err)
	}
	if waiting >= maxWebhooks {
		return fmt.Errorf("%d webhooks wait: %w", waiting, access.ErrTooMany)
	}
	text, err := json.Marshal(webhookData{w.API, w.Project, w.URL, w.Body})
	if err != nil {
		return err
	}
	w.ID = newID(tx.act.At)
	if w.Next.IsZero() {
		w.Next = tx.act.At
	}
	_, err = tx.sql.ExecContext(tx.ctx, "INSERT INTO webhook VALUES (?, ?, ?, 0, ?, ?)",
		w.ID, w.Person, w.Next.UnixMilli(), tx.act.At.UnixMilli(), tx.db.ring.Seal(webhookPlace(w.ID, w.Person), text))
	if err != nil {
		return fmt.Errorf("write webhook: %w", err)
	}
	return nil
}

// DueWebhooks are at most limit webhooks that are to be made by now and have not waited for 24 h,
// those first that are due for longest. Rows that were damaged are left out, to be given up with
// the others ([Tx.GiveUpWebhooks]).
func (db *DB) DueWebhooks(ctx context.Context, now time.Time, limit int) (list []Webhook, err error) {
	err = db.View(ctx, func(tx *Tx) error {
		list, err = tx.webhooks("next <= ? AND created > ? ORDER BY next, id LIMIT ?", now.UnixMilli(), now.Add(-webhookLife).UnixMilli(), max(limit, 0))
		return err
	})
	intact := list[:0]
	for _, w := range list {
		if w.URL != "" {
			intact = append(intact, w)
		}
	}
	return intact, err
}

// webhooks are those that a condition of this file holds for. A damaged one has no URL.
func (tx *Tx) webhooks(where string, args ...any) ([]Webhook, error) {
	rows, err := tx.sql.QueryContext(tx.ctx, "SELECT id, person, next, tries, created, sealed FROM webhook WHERE "+where, args...)
	if err != nil {
		return nil, fmt.Errorf("read webhooks: %w", err)
	}
	defer rows.Close()
	var list []Webhook
	for rows.Next() {
		var w Webhook
		var sealed []byte
		var next, created int64
		if err := rows.Scan(&w.ID, &w.Person, &next, &w.Tries, &created, &sealed); err != nil {
			return nil, fmt.Errorf("read webhooks: %w", err)
		}
		w.Next, w.Created = time.UnixMilli(next).UTC(), time.UnixMilli(created).UTC()
		if text, err := tx.db.ring.Open(webhookPlace(w.ID, w.Person), sealed); err == nil {
			var in webhookData
			if json.Unmarshal(text, &in) == nil {
				w.API, w.Project, w.URL, w.Body = in.API, in.Project, in.URL, in.Body
			}
		}
		list = append(list, w)
	}
	return list, rows.Err()
}

// WebhookDone takes a webhook that was answered out of the outbox. One that is not there is
// done already.
func (tx *Tx) WebhookDone(id string) error {
	if _, err := tx.sql.ExecContext(tx.ctx, "DELETE FROM webhook WHERE id = ?", id); err != nil {
		return fmt.Errorf("delete webhook: %w", err)
	}
	return nil
}

// WebhookFailed counts a try that was not answered and sets when the next one is. Where that is
// not within 24 h of the webhook's making it is given up as by [Tx.GiveUpWebhooks]. One that is
// not there needs no further try.
func (tx *Tx) WebhookFailed(id string, next time.Time) error {
	_, err := tx.sql.ExecContext(tx.ctx, "UPDATE webhook SET tries = tries + 1, next = ? WHERE id = ?", next.UnixMilli(), id)
	if err != nil {
		return fmt.Errorf("write webhook: %w", err)
	}
	_, err = tx.giveUp("id = ? AND created <= ?", id, next.Add(-webhookLife).UnixMilli())
	return err
}

// GiveUpWebhooks takes webhooks out of the outbox that have waited for 24 h, at most 100, and
// records command.refused for each. It returns how many.
func (tx *Tx) GiveUpWebhooks() (int, error) {
	return tx.giveUp("created <= ? ORDER BY created LIMIT 100", tx.act.At.Add(-webhookLife).UnixMilli())
}

func (tx *Tx) giveUp(where string, args ...any) (int, error) {
	list, err := tx.webhooks(where, args...)
	var errs []error
	for _, w := range list {
		_, failed := tx.Append(access.Event{Kind: access.KindCommandRefused, Person: w.Person, Data: map[string]string{
			"command": "webhook", "webhook": w.ID, "api": w.API, "project": w.Project, "tries": strconv.Itoa(w.Tries),
		}})
		errs = append(errs, failed, tx.WebhookDone(w.ID))
	}
	return len(list), errors.Join(err, errors.Join(errs...))
}
