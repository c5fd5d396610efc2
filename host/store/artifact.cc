#include "host/store/artifact.h"
