package program

import (
	"encoding/json"
	"io"
	"time"
)

// PrintJSON prints documents, one a line.
func PrintJSON[T any](out io.Writer, documents ...T) error {
	enc := json.NewEncoder(out)
	for _, d := range documents {
		if err := enc.Encode(d); err != nil {
			return err
		}
	}
	return nil
}

// Seconds is a time in a document: a number, or null if d is negative, which
// stands for unknown.
func Seconds(d time.Duration) *float64 { return OrNull(d.Seconds()) }

// OrNull is v, or null if that is negative.
func OrNull[T int | float64](v T) *T {
	if v < 0 {
		return nil
	}
	return &v
}
