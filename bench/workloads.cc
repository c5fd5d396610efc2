#include "bench/workloads.h"

namespace kindred {

std::vector<Workload> AllWorkloads() {
  return {AlsWorkload(),    AlsScaleWorkload(), SvdWorkload(),        ClusteringWorkload(),
          KMeansWorkload(), LoadingWorkload(),  ExpressionWorkload(), TopNWorkload(),
#ifdef KINDRED_SERVING
          ServingWorkload()
#endif
  };
}

}  // namespace kindred
