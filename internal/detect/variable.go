package detect

import (
	"reflect"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"

	"github.com/tocsin-dev/tocsin/internal/auditevent"
)

// variable is an event as CEL sees it: a map whose fields are made when they are asked for.
type variable struct{ view *auditevent.View }

var _ traits.Mapper = variable{}

func newVariable(raw map[string]any, event auditevent.Event) variable {
	return variable{view: auditevent.NewView(raw, event)}
}

// Find implements traits.Mapper.
func (v variable) Find(key ref.Val) (ref.Val, bool) {
	name, ok := key.(types.String)
	if !ok {
		return nil, false
	}
	value, ok := v.view.Field(string(name))
	if !ok {
		return nil, false
	}
	return types.DefaultTypeAdapter.NativeToValue(value), true
}

// Get implements traits.Indexer.
func (v variable) Get(key ref.Val) ref.Val {
	if value, ok := v.Find(key); ok {
		return value
	}
	return types.NewErr("no such key: %v", key)
}

// Contains implements traits.Container.
func (v variable) Contains(key ref.Val) ref.Val {
	_, ok := v.Find(key)
	return types.Bool(ok)
}

// whole is for the rare rule that uses the event as a whole.
func (v variable) whole() traits.Mapper {
	return types.NewStringInterfaceMap(types.DefaultTypeAdapter, v.view.All())
}

// Iterator implements traits.Iterable.
func (v variable) Iterator() traits.Iterator { return v.whole().Iterator() }

// Size implements traits.Sizer.
func (v variable) Size() ref.Val { return v.whole().Size() }

// ConvertToNative implements ref.Val.
func (v variable) ConvertToNative(t reflect.Type) (any, error) { return v.whole().ConvertToNative(t) }

// ConvertToType implements ref.Val.
func (v variable) ConvertToType(t ref.Type) ref.Val { return v.whole().ConvertToType(t) }

// Equal implements ref.Val.
func (v variable) Equal(other ref.Val) ref.Val { return v.whole().Equal(other) }

// Type implements ref.Val.
func (v variable) Type() ref.Type { return types.MapType }

// Value implements ref.Val.
func (v variable) Value() any { return v.view.All() }
