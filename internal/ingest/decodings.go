package ingest

import (
	"context"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// decodings compiles AlertSources when their messages are processed. It asks the
// API (a cache of it), not Sources: those come into force only with their Secrets,
// some time after a restart, and a stored message must not wait or fail for that.
type decodings struct {
	reader   client.Reader
	compiled map[types.NamespacedName]compiledDecoding
}

type compiledDecoding struct {
	uid        types.UID
	generation int64
	decoding   decoding
	err        error
}

// get returns the AlertSource, if it still exists, and its decoding. The error is
// that of the API (NotFound included), or names the field that is wrong.
func (d decodings) get(ctx context.Context, key types.NamespacedName) (*v1alpha1.AlertSource, decoding, error) {
	var source v1alpha1.AlertSource
	if err := d.reader.Get(ctx, key, &source); err != nil {
		return nil, decoding{}, err
	}
	c, ok := d.compiled[key]
	if !ok || c.uid != source.UID || c.generation != source.Generation {
		c = compiledDecoding{uid: source.UID, generation: source.Generation}
		c.decoding, c.err = newDecoding(&source)
		d.compiled[key] = c
	}
	return &source, c.decoding, c.err
}
