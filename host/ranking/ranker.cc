#include "host/ranking/ranker.h"
