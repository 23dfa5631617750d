package figure

import "math/rand/v2"

// Turns makes each run rounds times, in an order of its own in each round, and
// returns what each has given. The first error ends it.
func Turns(rounds int, runs ...func() (float64, error)) ([]Sample, error) {
	samples := make([]Sample, len(runs))
	for range rounds {
		for _, i := range rand.Perm(len(runs)) {
			value, err := runs[i]()
			if err != nil {
				return nil, err
			}
			samples[i] = append(samples[i], value)
		}
	}
	return samples, nil
}
