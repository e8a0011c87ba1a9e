//go:build unix

package audit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/transparency-dev/formats/log"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api/layout"
	"github.com/transparency-dev/tessera/client"
	"golang.org/x/mod/sumdb/note"
)

// sealer signs a checkpoint only if the log up to it continues the log up to the
// last one. Without that, changing the files and waiting for the next entry would
// have the change signed.
type sealer struct {
	note.Signer
	files client.FileFetcher

	mu sync.Mutex
	// last is the checkpoint that was signed last.
	last log.Checkpoint
	// written is the most entries that the log can hold: what it held at the start of
	// the writer, and what was given to it since.
	written uint64
	// refused is why nothing is signed any more.
	refused error
	// changed is closed and replaced when one of them changes.
	changed chan struct{}
}

// newSealer begins with the checkpoint of an existing log, and refuses one that
// is not signed by this key or that the log does not continue.
func newSealer(ctx context.Context, path string, signer note.Signer, verifier note.Verifier) (*sealer, error) {
	s := &sealer{Signer: signer, files: client.FileFetcher{Root: path}, changed: make(chan struct{})}
	s.last = log.Checkpoint{Origin: signer.Name(), Hash: rfc6962.DefaultHasher.EmptyRoot()}
	now, err := readState(path)
	s.written = now.Size
	if errors.Is(err, fs.ErrNotExist) {
		return s, refuseRemains(path)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", statePath, err)
	}
	raw, err := os.ReadFile(filepath.Join(path, layout.CheckpointPath))
	if errors.Is(err, fs.ErrNotExist) && now.Size == 0 {
		return s, nil
	}
	if err != nil {
		return nil, err
	}
	if s.last, err = openCheckpoint(raw, verifier); err != nil {
		return nil, fmt.Errorf("%s: %w", layout.CheckpointPath, err)
	}
	return s, s.continues(ctx, log.Checkpoint{Size: now.Size, Hash: now.Root})
}

// refuseRemains refuses to begin a new log on what is left of an old one.
func refuseRemains(path string) error {
	for _, name := range []string{layout.CheckpointPath, "tile"} {
		if _, err := os.Lstat(filepath.Join(path, name)); err == nil {
			return fmt.Errorf("%s is missing but there is a %s: restore the log, or move it away to begin a new one", statePath, name)
		}
	}
	return nil
}

// Sign implements note.Signer for the text of a checkpoint.
func (s *sealer) Sign(text []byte) ([]byte, error) {
	var next log.Checkpoint
	if _, err := next.Unmarshal(text); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.continues(context.Background(), next); err != nil {
		if !passing(err) {
			s.refused = err
			s.tell()
		}
		return nil, err
	}
	signature, err := s.Signer.Sign(text)
	if err != nil {
		return nil, err
	}
	s.last = next
	s.tell()
	return signature, nil
}

// restart takes back what was expected and did not come; nothing is being written
// meanwhile. More than was expected stays a reason not to sign.
func (s *sealer) restart(size uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.written = min(s.written, size)
}

// expect one entry more. It comes before the entry is written.
func (s *sealer) expect() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.written++
}

// tell wakes who awaits a signature; mu is held.
func (s *sealer) tell() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// continues proves from the hashes on disk that the log at next holds everything that is in the last checkpoint.
func (s *sealer) continues(ctx context.Context, next log.Checkpoint) error {
	err := s.prove(ctx, next)
	if err != nil {
		return fmt.Errorf("the log of %d entries does not continue the one of %d entries that was signed last; it was tampered with, or damaged: find out with kubectl soc audit verify: %w", next.Size, s.last.Size, err)
	}
	return nil
}

func (s *sealer) prove(ctx context.Context, next log.Checkpoint) error {
	if next.Size < s.last.Size {
		return errors.New("entries are missing")
	}
	if next.Size > s.written {
		return fmt.Errorf("it holds %d entries that this process did not write", next.Size-s.written)
	}
	builder, err := client.NewProofBuilder(ctx, next.Size, s.files.ReadTile)
	if err != nil {
		return err
	}
	var nodes [][]byte
	if s.last.Size > 0 {
		if nodes, err = builder.ConsistencyProof(ctx, s.last.Size, next.Size); err != nil {
			return err
		}
	}
	return proof.VerifyConsistency(rfc6962.DefaultHasher, s.last.Size, next.Size, nodes, s.last.Hash, next.Hash)
}

// passing says whether a file could not be read that is there, which may be otherwise the next time.
func passing(err error) bool {
	var reading *fs.PathError
	return errors.As(err, &reading) && !errors.Is(err, fs.ErrNotExist)
}

// refusal is why nothing is signed any more; nil while all is well.
func (s *sealer) refusal() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refused
}

// await waits until a log of this size is signed.
func (s *sealer) await(ctx context.Context, size uint64) error {
	for {
		s.mu.Lock()
		signed, refused, changed := s.last.Size, s.refused, s.changed
		s.mu.Unlock()
		if refused != nil || signed >= size {
			return refused
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
