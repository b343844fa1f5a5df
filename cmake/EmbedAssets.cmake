# cmake -DDIST=<folder of built files> -DOUT=<folder> -P EmbedAssets.cmake
# Writes OUT/assets.S, which holds each file plain and gzipped, and OUT/assets.cc, the table of them (src/api/assets.h).
file(GLOB_RECURSE files RELATIVE ${DIST} ${DIST}/*)
list(SORT files)
file(MAKE_DIRECTORY ${OUT}/gzip)
set(assembly "")
set(declarations "")
set(rows "")
set(number 0)
foreach(file IN LISTS files)
  get_filename_component(extension ${file} LAST_EXT)
  if(extension STREQUAL ".html")
    set(type "text/html; charset=utf-8")
  elseif(extension STREQUAL ".js")
    set(type "text/javascript; charset=utf-8")
  elseif(extension STREQUAL ".css")
    set(type "text/css; charset=utf-8")
  elseif(extension MATCHES "json|map")
    set(type "application/json")
  elseif(extension STREQUAL ".svg")
    set(type "image/svg+xml")
  elseif(extension STREQUAL ".png")
    set(type "image/png")
  elseif(extension STREQUAL ".woff2")
    set(type "font/woff2")
  else()
    set(type "application/octet-stream")
  endif()
  set(packed ${OUT}/gzip/${number}.gz)
  execute_process(COMMAND gzip -9 -n -c ${DIST}/${file} OUTPUT_FILE ${packed} COMMAND_ERROR_IS_FATAL ANY)
  foreach(kind IN ITEMS plain gzip)
    if(kind STREQUAL "plain")
      set(source ${DIST}/${file})
    else()
      set(source ${packed})
    endif()
    string(APPEND assembly "asset_${number}_${kind}_begin:\n  .incbin \"${source}\"\nasset_${number}_${kind}_end:\n  .byte 0\n")
    string(APPEND assembly ".global asset_${number}_${kind}_begin\n.global asset_${number}_${kind}_end\n")
    string(APPEND declarations "extern const char asset_${number}_${kind}_begin[], asset_${number}_${kind}_end[];\n")
  endforeach()
  string(APPEND rows "    {\"/${file}\", \"${type}\", between(asset_${number}_gzip_begin, asset_${number}_gzip_end), between(asset_${number}_plain_begin, asset_${number}_plain_end)},\n")
  math(EXPR number "${number} + 1")
endforeach()
file(WRITE ${OUT}/assets.S ".section .rodata\n${assembly}.section .note.GNU-stack,\"\",@progbits\n")
file(WRITE ${OUT}/assets.cc "#include \"assets.h\"\n
#include <vector>\n
extern \"C\" {\n${declarations}}\n
namespace tandem::api {\n
std::span<const Asset> console_assets() {
  [[maybe_unused]] const auto between = [](const char* begin, const char* end) {
    return std::string_view(begin, static_cast<size_t>(end - begin));
  };
  static const std::vector<Asset> kAssets{
${rows}  };
  return kAssets;
}\n
}  // namespace tandem::api
")
