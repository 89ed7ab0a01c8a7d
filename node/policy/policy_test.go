package policy

import "testing"

func TestDecide(t *testing.T) {
	for _, tc := range []struct {
		name   string
		facts  Facts
		reason Reason
		why    string
	}{
		{"ready", Facts{TrainerUp: true}, Training, "training"},
		{"starting", Facts{}, NoTrainer, "the trainer is starting"},
		{"crashed", Facts{TrainerWhy: "it was killed"}, NoTrainer, "it was killed"},
		{"paused beats the trainer", Facts{Paused: true}, Paused, "paused by hand"},
		{"a seed has no trainer", Facts{Seed: true}, Seed, "a seed: it serves others and does not train"},
		{"disk", Facts{TrainerUp: true, DiskWhy: "no space"}, DiskFull, "training, but cannot publish: no space"},
		{"done beats paused", Facts{Done: true, Paused: true}, Done, "the schedule's last token is committed; serving the finished model"},
		{"the month's traffic", Facts{TrainerUp: true, QuotaWhy: "the month's 5 GB are used"}, Quota, "the month's 5 GB are used"},
		{"leaving beats all", Facts{Leaving: true, Done: true}, Leaving, "the daemon is shutting down"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := Decide(tc.facts)
			if d.Reason != tc.reason || d.Why != tc.why || d.Train != (tc.reason == Training || tc.reason == DiskFull) {
				t.Fatalf("got %+v, want %s: %s", d, tc.reason, tc.why)
			}
		})
	}
}
