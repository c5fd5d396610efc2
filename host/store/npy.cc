#include "host/store/npy.h"
