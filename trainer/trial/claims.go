package trial

import (
	"fmt"
	"slices"
)

// Verdicts on a claim.
const (
	Yes         = "yes"
	No          = "no"
	NotMeasured = "not measured" // a line that it is about is missing
)

// Claim is something that the table is to show.
type Claim struct {
	Text    string `json:"text"`
	Holds   string `json:"holds"`
	Figures string `json:"figures,omitempty"`
}

const (
	// wideReduction and nearReduction are how many times fewer bytes than dense gradients the claims ask for.
	wideReduction = 1000
	nearReduction = 300
	// nearShare of all-reduce's gain over a lone node.
	nearShare = 0.8
)

// Claims judges the rows of a model with so many parameters.
func Claims(rows []Row, params int) []Claim {
	return []Claim{reaches(rows, params), keeps(rows, params), placed(rows)}
}

// judge fills in a claim's verdict if all lines are there and none diverged.
func judge(rows []Row, text string, names []string, how func(rs []Row, losses []float64) (bool, string)) Claim {
	c := Claim{Text: text, Holds: NotMeasured}
	var rs []Row
	var losses []float64
	for _, name := range names {
		i := slices.IndexFunc(rows, func(r Row) bool { return r.Name == name })
		if i < 0 {
			return c
		}
		loss, _, ok := rows[i].Loss()
		if !ok {
			return Claim{Text: text, Holds: No, Figures: name + " diverged"}
		}
		rs, losses = append(rs, rows[i]), append(losses, loss)
	}
	var holds bool
	if holds, c.Figures = how(rs, losses); holds {
		c.Holds = Yes
	} else {
		c.Holds = No
	}
	return c
}

func reaches(rows []Row, params int) Claim {
	text := fmt.Sprintf("bitloco with Muon reaches AdamW all-reduce's held-out loss with at most a %dth of a dense gradient's bytes (%s)", wideReduction, bitlocoH32)
	return judge(rows, text, []string{bitlocoH32, allReduceAdamW}, func(rs []Row, l []float64) (bool, string) {
		times := rs[0].Reduction(params)
		return l[0] <= l[1] && times >= wideReduction, fmt.Sprintf("%.3f against %.3f at %.0fx", l[0], l[1], times)
	})
}

func keeps(rows []Row, params int) Claim {
	text := fmt.Sprintf("it keeps %.0f %% or more of the gain that Muon all-reduce has over a lone Muon node, with at most a %dth (%s)", 100*nearShare, nearReduction, bitlocoH10)
	return judge(rows, text, []string{aloneMuon, bitlocoH10, allReduceMuon}, func(rs []Row, l []float64) (bool, string) {
		times := rs[1].Reduction(params)
		if l[0] <= l[2] {
			return false, fmt.Sprintf("all-reduce gains nothing: %.3f against %.3f alone", l[2], l[0])
		}
		share := (l[0] - l[1]) / (l[0] - l[2])
		return share >= nearShare && times >= nearReduction,
			fmt.Sprintf("%.0f %% at %.0fx: %.3f alone, %.3f, %.3f all-reduce", 100*share, times, l[0], l[1], l[2])
	})
}

// placed compares seed by seed: where each seed says so, chance does not.
func placed(rows []Row) Claim {
	text := "the residual in a buffer is worse for it than in the local model, with every seed (" + bitlocoInBuffer + " and " + bitlocoH20 + ")"
	return judge(rows, text, []string{bitlocoInBuffer, bitlocoH20}, func(rs []Row, _ []float64) (bool, string) {
		apart := rs[0].above(rs[1])
		return slices.Min(apart) > 0, fmt.Sprintf("%.3f nats, %.3f to %.3f over seeds (%d)",
			average(apart), slices.Min(apart), slices.Max(apart), len(apart))
	})
}
