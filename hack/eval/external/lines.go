package external

import (
	"bufio"
	"fmt"
	"io"
)

// eachLine reads a JSON object a line. The error names the line.
func eachLine(lines io.Reader, use func(line []byte) error) error {
	scanner := bufio.NewScanner(lines)
	scanner.Buffer(nil, 16<<20)
	for n := 1; scanner.Scan(); n++ {
		if err := use(scanner.Bytes()); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
	return scanner.Err()
}
