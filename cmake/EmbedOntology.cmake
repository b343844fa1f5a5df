# cmake -DFROM=<folder of *.yaml> -DOUT=<file> -P EmbedOntology.cmake
# Writes OUT, the table of those files (src/ontology/embedded.h).
file(GLOB files RELATIVE ${FROM} ${FROM}/*.yaml)
list(SORT files)
set(rows "")
foreach(file IN LISTS files)
  file(READ ${FROM}/${file} text)
  string(APPEND rows "      {\"${file}\", R\"yaml(${text})yaml\"},\n")
endforeach()
file(WRITE ${OUT} "#include \"embedded.h\"\n
namespace tandem::ontology {\n
std::span<const File> embedded_files() {
  static constexpr File kFiles[] = {
${rows}  };
  return kFiles;
}\n
}  // namespace tandem::ontology
")
