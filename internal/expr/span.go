package expr

import (
	"fmt"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
)

// span is a number of hours as people say it: in days from two days on.
func span(value ref.Val) ref.Val {
	var hours float64
	switch n := value.(type) {
	case types.Double:
		hours = float64(n)
	case types.Int:
		hours = float64(n)
	default:
		return types.MaybeNoSuchOverloadErr(value)
	}
	switch {
	case hours < 1:
		return types.String("less than an hour")
	case hours < 2:
		return types.String("1 hour")
	case hours < 48:
		return types.String(fmt.Sprintf("%d hours", int64(hours)))
	}
	return types.String(fmt.Sprintf("%d days", int64(hours/24)))
}
