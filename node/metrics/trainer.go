package metrics

import (
	"strconv"

	"github.com/murmurnet/murmur/node/api"
)

// trainer writes how the training goes, and how what it works on fares.
func (w writer) trainer(s api.State) {
	t := s.Trainer
	w.gauge("trainer_up", "Whether the trainer process is ready.", truth(t.Up))
	if t.Backend != "" {
		w.gauge("trainer_info", "What the trainer works with.", 1, "backend", t.Backend, "device", t.Device)
	}
	w.counter("trainer_restarts_total", "Times that the trainer process had to be started again.", float64(t.Restarts))
	w.counter("trainer_steps_total", "Inner steps since the node started.", float64(t.Steps))
	w.counter("trainer_tokens_total", "Tokens learned since the node started.", float64(t.Tokens))
	w.gauge("trainer_tokens_per_second", "How fast the trainer learns.", t.TokensPerSec)
	w.known("trainer_loss_nats", "The newest training loss, in nats a token.", t.Loss)

	for i, d := range s.Devices {
		labels := []string{"device", strconv.Itoa(i), "name", d.Name}
		w.known("device_celsius", "The device's temperature, where it can be read.", d.Celsius, labels...)
		w.known("device_watts", "The power that the device draws, where it can be read.", d.Watts, labels...)
		w.known("device_memory_bytes", "The device's memory in use, by everybody, where it can be read.", float64(d.Memory), labels...)
		w.known("device_memory_size_bytes", "The device's memory, where it can be read.", float64(d.Total), labels...)
		w.gauge("device_others_ratio", "How busy other programs keep the device, 0 to 1.", d.Others, labels...)
	}
}
