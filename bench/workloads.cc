#include "bench/workloads.h"

namespace kindred {

std::vector<Workload> AllWorkloads() {
  return {AlsWorkload(),     AlsScaleWorkload(),   SvdWorkload(),  ClusteringWorkload(),
          LoadingWorkload(), ExpressionWorkload(), TopNWorkload(),
#ifdef KINDRED_SERVING
          ServingWorkload()
#endif
  };
}

}  // namespace kindred
