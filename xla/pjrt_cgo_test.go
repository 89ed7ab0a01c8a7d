//go:build cgo && (linux || darwin)

package xla

import (
	"os"
	"path/filepath"
	"testing"
)

// XLA is told where CUDA's tools are, unless the user did, and a file that is no library does no harm.
func TestPrepareCUDA(t *testing.T) {
	tree := touch(t, "nvidia/cu13/bin/ptxas", "nvidia/cu13/lib/libcudart.so.13", "plugin/pjrt_c_api_cuda_plugin.so")
	alone := touch(t, "plugin/pjrt_c_api_cuda_plugin.so")
	const mine, other = "--xla_gpu_cuda_data_dir=/usr/local/cuda", "--xla_dump_to=/tmp/d"
	told := "--xla_gpu_cuda_data_dir=" + filepath.Join(tree, "nvidia", "cu13")
	for _, tc := range []struct{ dir, flags, want string }{
		{tree, "", told},
		{tree, other, other + " " + told},
		{tree, mine, mine},
		{alone, "", ""},
	} {
		t.Setenv("XLA_FLAGS", tc.flags)
		if err := prepareCUDA(filepath.Join(tc.dir, "plugin", "pjrt_c_api_cuda_plugin.so")); err != nil {
			t.Fatal(err)
		}
		if got := os.Getenv("XLA_FLAGS"); got != tc.want {
			t.Errorf("flags %q became %q, want %q", tc.flags, got, tc.want)
		}
	}
}
