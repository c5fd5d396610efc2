#!/usr/bin/env bash
# Installs what Kindred needs from the distribution's packages, on Debian 12 and Ubuntu 24.04.
#
#   scripts/install_deps.sh           what building and `make demo` need
#   scripts/install_deps.sh --test    also a PostgreSQL server, and clang for the sanitizers, for `make test`
#   scripts/install_deps.sh --fuzz    also clang and libFuzzer, for `make fuzz`
#   scripts/install_deps.sh --parquet also Apache Arrow, to read Parquet files: pyarrow from PyPI, into .venv-parquet
#   scripts/install_deps.sh --peers   also the bench's peers, from PyPI, into .venv-peers
#   scripts/install_deps.sh --check   installs nothing; exits 1 and lists what is missing
#
# Needs root (or sudo) only when a package is missing. Touches nothing but packages, .venv-parquet and .venv-peers; the
# PostgreSQL server, which tests start by themselves, is installed without a database of the system's.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(
  g++ cmake ninja-build pkg-config ca-certificates
  libgrpc++-dev libprotobuf-dev protobuf-compiler protobuf-compiler-grpc
  libeigen3-dev
  libcli11-dev libtomlplusplus-dev libspdlog-dev libfmt-dev nlohmann-json3-dev
  zlib1g-dev libzstd-dev libzip-dev libxxhash-dev libssl-dev libsimdjson-dev libpq-dev libsqlite3-dev
  libgtest-dev libgmock-dev librapidcheck-dev
  clang-format-14 python3 python3-grpcio python3-protobuf
)
clang=(clang-16 libclang-rt-16-dev llvm-16)  # llvm-16 has what names the places in a sanitizer's report
parquet=no
peers=no
check=no
for argument in "$@"; do
  case "$argument" in
    --test) packages+=(postgresql "${clang[@]}") ;;
    --fuzz) packages+=("${clang[@]}") ;;
    --parquet) parquet=yes; packages+=(python3-venv) ;;
    --peers) peers=yes; packages+=(python3-venv python3-dev) ;;  # hnswlib is compiled
    --check) check=yes ;;
    *) echo "install_deps.sh: unknown option '$argument' (known: --test, --fuzz, --parquet, --peers, --check)" >&2; exit 2 ;;
  esac
done

missing=()
for package in "${packages[@]}"; do
  state=$(dpkg-query -W -f='${db:Status-Abbrev}' "$package" 2>/dev/null || true)
  [[ $state == ii* ]] || missing+=("$package")
done

if [[ $check == yes ]]; then
  [[ ${#missing[@]} -eq 0 ]] && exit 0
  echo "missing packages: ${missing[*]}"
  exit 1
fi

if [[ ${#missing[@]} -gt 0 ]]; then
  # shellcheck disable=SC1091
  system=$(. /etc/os-release && echo "$ID $VERSION_ID")
  case "$system" in
    "debian 12" | "ubuntu 24.04") ;;
    *) echo "install_deps.sh: this is '$system'; the package names are those of Debian 12 and Ubuntu 24.04" >&2 ;;
  esac
  sudo=()
  if [[ $(id -u) -ne 0 ]]; then
    command -v sudo >/dev/null || {
      echo "install_deps.sh: needs root to install: ${missing[*]}" >&2
      exit 1
    }
    sudo=(sudo)
  fi
  echo "Installing ${#missing[@]} packages of the distribution: ${missing[*]}"
  install=("${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends)
  "${sudo[@]}" apt-get update -qq
  if [[ " ${missing[*]} " == *" postgresql "* ]]; then  # or installing it would make a cluster and start it
    "${install[@]}" postgresql-common
    "${sudo[@]}" sed -i -E 's/^#? *create_main_cluster *=.*/create_main_cluster = false/' \
      /etc/postgresql-common/createcluster.conf
  fi
  "${install[@]}" "${missing[@]}"
fi

if [[ $parquet == yes && ! -x .venv-parquet/bin/python ]]; then
  echo "Installing Apache Arrow from PyPI into .venv-parquet: pyarrow"
  /usr/bin/python3 -m venv .venv-parquet
  .venv-parquet/bin/pip install --quiet "pyarrow>=26,<27" || {
    rm -rf .venv-parquet
    exit 1
  }
fi

peer_packages=("implicit==0.7.3" "faiss-cpu==1.15.1" "hnswlib==0.8.0" numpy scipy pandas pyarrow scikit-learn)
if [[ $peers == yes && "$(cat .venv-peers/packages 2> /dev/null)" != "${peer_packages[*]}" ]]; then
  echo "Installing the bench's peers from PyPI into .venv-peers: ${peer_packages[*]}"
  python3 -m venv .venv-peers
  .venv-peers/bin/pip install --quiet "${peer_packages[@]}" || {
    rm -rf .venv-peers
    exit 1
  }
  echo "${peer_packages[*]}" > .venv-peers/packages
fi
