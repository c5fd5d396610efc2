#include "host/store/model_store.h"
