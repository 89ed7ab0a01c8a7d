package xla

import "strings"

// sets are all pinned sets, by name and platform. The plugins are those of one XLA release, jaxlib 0.11.2's, and speak
// PJRT 0.115, as the CPU plugin that murmur is measured with; all are Apache-2.0. NVIDIA's libraries have licences of
// their own, which are installed with them.
func sets() map[string]set {
	return map[string]set{
		// XLA as jaxlib builds it, with the C entry point that jaxlib's own library lacks.
		"cpu/linux/amd64": {
			name: "cpu", kind: "cpu", version: "0.11.2", plugin: "pjrt_c_api_cpu_plugin.so",
			size: 201600336, sum: "ad1309ac822b1b24d51b7f9947c7c9fa9ef5d67f390584cbc3d1fa2428fed9c2",
			wheels: []wheel{{
				project: "lammps-jax-pjrt-cpu", version: "0.11.2",
				file: "lammps_jax_pjrt_cpu-0.11.2-py3-none-manylinux_2_27_x86_64.whl", size: 62711338,
				sha256:   "1319390d948b39f69f7dade496b7c385149d9ca6097a6b62114da113216d9ad1",
				unpacked: 201863543,
				take: []take{
					{"lammps_jax_pjrt_cpu-0.11.2.dist-info/licenses/LICENSE", "LICENSE"},
					{"lammps_jax_pjrt_cpu-0.11.2.dist-info/licenses/THIRD_PARTY_NOTICES", "THIRD_PARTY_NOTICES"},
					{"lammps_jax_pjrt_cpu/pjrt_c_api_cpu_plugin.so", "pjrt_c_api_cpu_plugin.so"},
				},
			}},
		},
		// CUDA 13.2 with its patches of July 2026: cuBLAS before 13.2 can corrupt data on data-centre Blackwell, and the plugin takes 13.0 on.
		"cuda13/linux/amd64": {
			name: "cuda13", kind: "cuda", version: "0.11.2", plugin: cudaPlugin,
			size: 411465856, sum: "43d3efd6fd43d8a5d9aa67176e830d81e4ad5fc19fda4ad09cdcc4aebd9f3920",
			wheels: append(cuda13Libraries(), jax("cuda13", "cuda", "0.11.2", 134162640,
				"e5ff589d43064913bb74027682d89639c7ea48f9f81c2bae6fc75117e913f93e", 411465856)),
		},
		// CUDA 12.9, the last of 12.
		"cuda12/linux/amd64": {
			name: "cuda12", kind: "cuda", version: "0.11.2", plugin: cudaPlugin,
			size: 497519016, sum: "ed4d60d77427548709ca0b5a8e04c1b24cc0091452bb564e4aea01e03ae7eac1",
			wheels: append(cuda12Libraries(), jax("cuda12", "cuda", "0.11.2", 188235313,
				"2133b3afc63307c016ae4980f166b2b3de199759363ead74f7d550eaae953463", 497519016)),
		},
		// The plugin alone: it takes ROCm 7 from the machine's own installation in /opt/rocm.
		"rocm/linux/amd64": {
			name: "rocm", kind: "rocm", version: "0.11.2", plugin: "plugin/pjrt_c_api_rocm_plugin.so",
			size: 482734064, sum: "eebfab09428af337d3a8847becd115f664ff40da31442b41d6e4293d0b3ca455",
			wheels: []wheel{jax("rocm7", "rocm", "0.11.2", 139991500,
				"f673c6b3ffec3001e259c766ab85415926cfe12f548429f0a41c410b62b0937b", 482734064)},
		},
	}
}

// cudaPlugin is where a CUDA plugin lies: it looks for libraries in ../nvidia, and GoMLX as well.
const cudaPlugin = "plugin/pjrt_c_api_cuda_plugin.so"

// jax is the wheel of a plugin.
func jax(name, kind, version string, size int64, sha256 string, unpacked int64) wheel {
	return wheel{
		project: "jax-" + name + "-pjrt", version: version,
		file: "jax_" + name + "_pjrt-" + version + "-py3-none-manylinux_2_27_x86_64.whl",
		size: size, sha256: sha256, unpacked: unpacked,
		take: []take{{"jax_plugins/xla_" + name + "/xla_" + kind + "_plugin.so", "plugin/pjrt_c_api_" + kind + "_plugin.so"}},
	}
}

// nvidia is the wheel of a library, of which the files that match patterns below nvidia/ are taken, and the licence.
func nvidia(project, version, platform string, size int64, sha256 string, unpacked int64, patterns ...string) wheel {
	w := wheel{
		project: project, version: version,
		file: strings.ReplaceAll(project, "-", "_") + "-" + version + "-py3-none-" + platform + ".whl",
		size: size, sha256: sha256, unpacked: unpacked,
		take: []take{{"*.dist-info/licenses/License.txt", "licences/" + project + ".txt"}},
	}
	for _, pattern := range patterns {
		w.take = append(w.take, take{from: "nvidia/" + pattern})
	}
	return w
}

// cuda13Libraries are what jax-cuda13-plugin 0.11.2 names as needed at run time.
func cuda13Libraries() []wheel {
	return []wheel{
		nvidia("nvidia-cublas", "13.4.1.3", "manylinux_2_27_x86_64", 404870805,
			"a5917cb642cfb07f4a0231ee16aec7e2e0357d8cb8b1b78a0c9c68dba3e6afc7", 562519102, "cu13/lib/libcublas*.so.*"),
		nvidia("nvidia-cuda-cupti", "13.2.86", "manylinux_2_25_x86_64", 11988600,
			"8fa29f15dd8336181f961764d9d95236fc6b931dd0c8fcf8cd70aab0c310b586", 48115846, "cu13/lib/*.so*"),
		nvidia("nvidia-cuda-nvcc", "13.2.86", "manylinux2014_x86_64.manylinux_2_17_x86_64", 44042846,
			"7d3f56c8d705bad35bbba69eb0470d90856fd5d4dc48c6a6173aaf1e9f887cf5", 91084662, "cu13/bin/ptxas", "cu13/bin/nvlink", "cu13/bin/fatbinary"),
		nvidia("nvidia-cuda-runtime", "13.2.86", "manylinux2014_x86_64.manylinux_2_17_x86_64", 2323576,
			"3498247680dfddce31bad102af7e3e26fc795342a3cac64722bb0fa95e7f60f0", 833182, "cu13/lib/libcudart.so.*"),
		nvidia("nvidia-cudnn-cu13", "9.25.1.1", "manylinux_2_27_x86_64", 503870572,
			"195199e8c7f8bca0c366ea675dd2441a406646cf95a98bcda66c999d57dd1f26", 856232166, "cudnn/lib/libcudnn*.so.*"),
		nvidia("nvidia-cufft", "12.2.0.57", "manylinux2014_x86_64.manylinux_2_17_x86_64", 218258101,
			"34da27fadf3979b0b042c43823f0530be8408b86df31ee0108e1ca0b621d4ef6", 290917526, "cu13/lib/libcufft.so.*"),
		nvidia("nvidia-cusolver", "12.2.0.11", "manylinux_2_27_x86_64", 227913465,
			"fab5778f6769947389a1a6abc07e635576825a08c0ffc68c3ae7f1392c794b42", 157006046, "cu13/lib/libcusolver.so.*"),
		nvidia("nvidia-cusparse", "12.7.10.12", "manylinux2014_x86_64.manylinux_2_17_x86_64", 150999307,
			"25907c75e4db1581685f06f61cc6cdecc04611765516a52373e0a18ebd69fa00", 167590774, "cu13/lib/libcusparse.so.*"),
		nvidia("nvidia-nccl-cu13", "2.30.7", "manylinux_2_18_x86_64", 215965170,
			"cefa7fdb9710efd0f39c5f1be1d61ff6fc9a996c451265bd7fbdcf9455ed4b50", 252206543, "nccl/lib/libnccl.so.*"),
		nvidia("nvidia-nvjitlink", "13.2.86", "manylinux2010_x86_64.manylinux_2_12_x86_64", 41370546,
			"285a9cead9924391588d794400bdd7e8f9d1a277a7d78ed79acfa0ea702a14dd", 100500558, "cu13/lib/libnvJitLink.so.*"),
		nvidia("nvidia-cuda-nvrtc", "13.2.86", "manylinux2010_x86_64.manylinux_2_12_x86_64", 47018468,
			"8111c5130e967b78222ea2124145f8efe9ce201b752b2579a2513100a53be1c5", 119834654, "cu13/lib/libnvrtc.so.*", "cu13/lib/libnvrtc-builtins.so.*"),
		nvidia("nvidia-nvshmem-cu13", "3.6.5", "manylinux2014_x86_64.manylinux_2_17_x86_64", 71952588,
			"4001aabc72ead32ecc3c9add3c6781befcb71adcbe286d7f5956042e68668c70", 47271294, "nvshmem/lib/*.so.*"),
		nvidia("nvidia-nvvm", "13.2.86", "manylinux2010_x86_64.manylinux_2_12_x86_64", 64280112,
			"a9244f3209922d655612c11ebb4117ea1f80983cb2b215c9cccded127282cebc", 524690, "cu13/nvvm/libdevice/libdevice.10.bc"),
	}
}

// cuda12Libraries are what jax-cuda12-plugin 0.11.2 names as needed at run time.
func cuda12Libraries() []wheel {
	return []wheel{
		nvidia("nvidia-cublas-cu12", "12.9.2.10", "manylinux_2_27_x86_64", 581240110,
			"e4f53a8ca8c5d6e8c492d0d0a3d565ecb59a751b19cfdaa4f6da0ab2104c1702", 854410238, "cublas/lib/libcublas*.so.*"),
		nvidia("nvidia-cuda-cupti-cu12", "12.9.79", "manylinux_2_25_x86_64", 10814997,
			"096bcf334f13e1984ba36685ad4c1d6347db214de03dbb6eebb237b41d9d934f", 43425030, "cuda_cupti/lib/*.so*"),
		nvidia("nvidia-cuda-nvcc-cu12", "12.9.86", "manylinux2010_x86_64.manylinux_2_12_x86_64", 40546229,
			"5d6a0d32fdc7ea39917c20065614ae93add6f577d840233237ff08e9a38f58f0", 35476486, "cuda_nvcc/bin/ptxas", "cuda_nvcc/nvvm/libdevice/libdevice.10.bc"),
		nvidia("nvidia-cuda-runtime-cu12", "12.9.79", "manylinux2014_x86_64.manylinux_2_17_x86_64", 3493179,
			"25bba2dfb01d48a9b59ca474a1ac43c6ebf7011f1b0b8cc44f54eb6ac48a96c3", 800350, "cuda_runtime/lib/libcudart.so.*"),
		nvidia("nvidia-cudnn-cu12", "9.25.1.1", "manylinux_2_27_x86_64", 751246851,
			"515df94e4060bb58c88588e46fb39a5df310659d2d98733d1697ed667b4895d1", 1183372062, "cudnn/lib/libcudnn*.so.*"),
		nvidia("nvidia-cufft-cu12", "11.4.1.4", "manylinux2014_x86_64.manylinux_2_17_x86_64", 200877592,
			"c67884f2a7d276b4b80eb56a79322a95df592ae5e765cf1243693365ccab4e28", 291567190, "cufft/lib/libcufft.so.*"),
		nvidia("nvidia-cusolver-cu12", "11.7.5.82", "manylinux_2_27_x86_64", 338117415,
			"15da72d1340d29b5b3cf3fd100e3cd53421dde36002eda6ed93811af63c40d88", 302083414, "cusolver/lib/libcusolver.so.*"),
		nvidia("nvidia-cusparse-cu12", "12.5.10.65", "manylinux2014_x86_64.manylinux_2_17_x86_64", 366465088,
			"73060ce019ac064a057267c585bf1fd5a353734151f87472ff02b2c5c9984e78", 486615630, "cusparse/lib/libcusparse.so.*"),
		nvidia("nvidia-nccl-cu12", "2.30.7", "manylinux_2_18_x86_64", 303361239,
			"8ce1b8213f61f2bfac132e6df890af6450b77cbd140c6ce4e98cb0c2d8e678c9", 417482295, "nccl/lib/libnccl.so.*"),
		nvidia("nvidia-nvjitlink-cu12", "12.9.86", "manylinux2010_x86_64.manylinux_2_12_x86_64", 39748338,
			"e3f1171dbdc83c5932a45f0f4c99180a70de9bd2718c1ab77d14104f6d7147f9", 95994606, "nvjitlink/lib/libnvJitLink.so.*"),
		nvidia("nvidia-cuda-nvrtc-cu12", "12.9.86", "manylinux2010_x86_64.manylinux_2_12_x86_64", 89568129,
			"210cf05005a447e29214e9ce50851e83fc5f4358df8b453155d5e1918094dcb4", 113506502, "cuda_nvrtc/lib/libnvrtc.so.*", "cuda_nvrtc/lib/libnvrtc-builtins.so.*"),
		nvidia("nvidia-nvshmem-cu12", "3.6.5", "manylinux2014_x86_64.manylinux_2_17_x86_64", 153270920,
			"f86db35f1ced21a790fa255dcae7db8998bf8655a95e76c033a6574190b398e4", 168023758, "nvshmem/lib/*.so.*"),
	}
}
