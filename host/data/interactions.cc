#include "host/data/interactions.h"
