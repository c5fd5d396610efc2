# Writes OUT, a header with the SHA-256 of SOURCES (a list; names and contents), shortened: `cmake -DROOT= -DOUT=
# -DSOURCES= -P`.
set(all "")
foreach(source IN LISTS SOURCES)
  file(SHA256 "${ROOT}/${source}" digest)
  string(APPEND all "${digest}  ${source}\n")
endforeach()
string(SHA256 digest "${all}")
string(SUBSTRING "${digest}" 0 16 digest)
file(WRITE "${OUT}" "#define KINDRED_SOURCES_ID \"${digest}\"\n")
