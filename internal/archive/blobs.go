package archive

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// removedAtOnce of the oldest raw events and evidence, where there is no room for more.
const removedAtOnce = 32

// PutBlobs keeps raw events or evidence under their SHA-256. When all is full, the oldest go.
func (a *Archive) PutBlobs(ctx context.Context, bodies ...[]byte) error {
	return a.write(ctx, func(tx *transaction) error {
		for _, body := range bodies {
			if err := a.putBlob(tx, body); err != nil {
				return err
			}
		}
		return a.bound(tx)
	})
}

// putBlob keeps one; what comes again after a day counts as new, so that it stays
// longer than what it comes with.
func (a *Archive) putBlob(tx *transaction, body []byte) error {
	digest, now := sha256.Sum256(body), a.now()
	return tx.exec(addBlob, digest[:], micros(now), body, micros(now.Add(-day)))
}

// bound lets the oldest go where there is too much.
func (a *Archive) bound(tx *transaction) error {
	for {
		var bytes int64
		if err := tx.row(blobBytes, nil, &bytes); err != nil || bytes <= a.maxBytes {
			return err
		}
		if gone, err := tx.changed(removeOldest, removedAtOnce); err != nil || gone == 0 {
			return err
		}
	}
}

// Blob is what was kept under a hex SHA-256; ErrNotFound if it is not there, or not any more.
func (a *Archive) Blob(ctx context.Context, digest string) ([]byte, error) {
	key, err := hex.DecodeString(digest)
	if err != nil || len(key) != sha256.Size {
		return nil, fmt.Errorf("archive: %q: expected a SHA-256 of %d hex digits", digest, 2*sha256.Size)
	}
	var body []byte
	return body, a.row(ctx, getBlob, []any{key}, &body)
}
