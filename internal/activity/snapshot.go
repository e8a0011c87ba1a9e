package activity

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

const (
	// snapshotFormat begins the first line of a snapshot, before its version and the
	// SHA-256 of all that follows the line.
	snapshotFormat  = "tocsin-memory"
	snapshotVersion = "1"
	// maxUnpacked bounds what a snapshot unpacks to.
	maxUnpacked = 512 << 20
)

var (
	// ErrNewer: a snapshot was written by a newer version.
	ErrNewer = errors.New("it was written by a newer version")
	// ErrCorrupt: a snapshot is not as it was written.
	ErrCorrupt = errors.New("it is not as it was written")
)

// Snapshot returns the baselines, and what of the stream they cover, as a file. Recent
// events are not in it: they are read from the stream again.
func (m *Memory) Snapshot() ([]byte, error) {
	packed, err := m.state().pack()
	if err != nil {
		return nil, fmt.Errorf("snapshot of memory: %w", err)
	}
	return append(fmt.Appendf(nil, "%s %s %s\n", snapshotFormat, snapshotVersion, checksum(packed)), packed...), nil
}

// Restore puts a snapshot into an empty memory. After an error memory is as it was. The
// stream is then read from its oldest message on, and what the snapshot covers is not
// counted again.
func (m *Memory) Restore(snapshot []byte) error {
	s, err := readSnapshot(snapshot)
	if err == nil {
		err = m.restore(s)
	}
	if err != nil {
		return fmt.Errorf("snapshot of memory: %w", err)
	}
	return nil
}

func readSnapshot(snapshot []byte) (state, error) {
	head, packed, _ := bytes.Cut(snapshot, []byte("\n"))
	fields := strings.Split(string(head[:min(len(head), 128)]), " ")
	switch {
	case len(fields) < 2 || fields[0] != snapshotFormat:
		return state{}, fmt.Errorf("%w: its first line does not begin with %s", ErrCorrupt, snapshotFormat)
	case fields[1] != snapshotVersion:
		return state{}, fmt.Errorf("%w: version %.16q, this one reads %s", ErrNewer, fields[1], snapshotVersion)
	case len(fields) != 3 || fields[2] != checksum(packed):
		return state{}, fmt.Errorf("%w: its checksum does not fit", ErrCorrupt)
	}
	s, err := unpack(packed)
	if err != nil {
		return state{}, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return s, nil
}

func checksum(packed []byte) string {
	sum := sha256.Sum256(packed)
	return hex.EncodeToString(sum[:])
}

// pack writes one JSON value after the other, so that no large one is held.
func (s state) pack() ([]byte, error) {
	var packed bytes.Buffer
	zip, err := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	out := json.NewEncoder(zip)
	err = out.Encode(headRecord{Covers: s.covers, Tables: len(s.tables)})
	for _, t := range s.tables {
		err = errors.Join(err, out.Encode(tableRecord{
			Namespace: t.namespace, Name: t.name, Since: t.since, Lost: t.lost, Owners: t.owners, Habits: len(t.habits),
		}))
		for i := range t.habits {
			err = errors.Join(err, out.Encode(newHabitRecord(&t.habits[i])))
		}
	}
	err = errors.Join(err, zip.Close())
	return packed.Bytes(), err
}

func unpack(packed []byte) (state, error) {
	zip, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return state{}, err
	}
	return readState(io.LimitReader(zip, maxUnpacked))
}

func readState(from io.Reader) (state, error) {
	in := json.NewDecoder(from)
	var head headRecord
	if err := in.Decode(&head); err != nil {
		return state{}, err
	}
	s := state{covers: head.Covers}
	for range head.Tables {
		var t tableRecord
		if err := in.Decode(&t); err != nil {
			return state{}, fmt.Errorf("a table: %w", err)
		}
		habits, err := unpackHabits(in, t.Habits)
		if err != nil {
			return state{}, fmt.Errorf("namespace %q: table %q: %w", t.Namespace, t.Name, err)
		}
		s.tables = append(s.tables, tableState{namespace: t.Namespace, name: t.Name, since: t.Since, lost: t.Lost, owners: t.Owners, habits: habits})
	}
	return s, nil
}

func unpackHabits(in *json.Decoder, count int) ([]kept, error) {
	var habits []kept
	for range count {
		var r habitRecord
		if err := in.Decode(&r); err != nil {
			return nil, err
		}
		k, err := r.read()
		if err != nil {
			return nil, fmt.Errorf("%q of %q: %w", r.What, r.Who, err)
		}
		habits = append(habits, k)
	}
	return habits, nil
}
