package expr_test

import (
	"testing"

	"github.com/tocsin-dev/tocsin/internal/expr"
)

func TestSpan(t *testing.T) {
	template, err := expr.MustEnv("answer").Template("${span(answer)} known")
	if err != nil {
		t.Fatal(err)
	}
	for hours, want := range map[any]string{
		0.9: "less than an hour known", 1.5: "1 hour known", int64(47): "47 hours known", 48.0: "2 days known", 719.9: "29 days known",
	} {
		if got, err := template.Text(map[string]any{"answer": hours}); err != nil || got != want {
			t.Errorf("%v: %q, %v; want %q", hours, got, err, want)
		}
	}
	if got, err := template.Text(map[string]any{"answer": "a day"}); err == nil {
		t.Errorf("a span of text is %q", got)
	}
}
