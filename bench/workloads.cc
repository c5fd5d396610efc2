#include "bench/workloads.h"

namespace kindred {

std::vector<Workload> AllWorkloads() {
  return {AlsWorkload(),    AlsScaleWorkload(), SvdWorkload(), LoadingWorkload(), ExpressionWorkload(),
#ifdef KINDRED_SERVING
          ServingWorkload()
#endif
  };
}

}  // namespace kindred
