# `cmake --install` and `cpack -G DEB`: the program, ONNX Runtime beside it, a systemd unit and the examples, as a Debian package
# for the release that it was built on (`make package`; docs/OPERATING.md, "Install").
include(GNUInstallDirs)
set(TANDEM_PRIVATE_LIBRARIES lib/tandem) # not the multiarch folder: libraries there are every program's

install(TARGETS tandem RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
set_target_properties(tandem PROPERTIES INSTALL_RPATH "$ORIGIN/../${TANDEM_PRIVATE_LIBRARIES}")
if(EXISTS ${TANDEM_ONNXRUNTIME})
  install(PROGRAMS ${TANDEM_ONNXRUNTIME} DESTINATION ${TANDEM_PRIVATE_LIBRARIES})
else()
  message(STATUS "A package would come without ONNX Runtime (${TANDEM_ONNXRUNTIME}): no predictive models")
endif()
install(FILES packaging/tandem.service DESTINATION lib/systemd/system)
install(FILES packaging/tandem.default DESTINATION /etc/default RENAME tandem)
install(DIRECTORY DESTINATION /etc/tandem)
install(DIRECTORY examples/ DESTINATION ${CMAKE_INSTALL_DATADIR}/tandem/examples PATTERN "*.py" EXCLUDE PATTERN "__pycache__" EXCLUDE)
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} RENAME copyright)
install(FILES docs/grid.schema.json DESTINATION ${CMAKE_INSTALL_DATADIR}/tandem)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_VENDOR "Tandem")
set(CPACK_PACKAGE_CONTACT "Tandem <tandem@localhost>")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_SET_DESTDIR ON) # /etc is outside the prefix
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS passwd)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${CMAKE_SOURCE_DIR}/packaging/debian/conffiles ${CMAKE_SOURCE_DIR}/packaging/debian/postinst
                                       ${CMAKE_SOURCE_DIR}/packaging/debian/prerm ${CMAKE_SOURCE_DIR}/packaging/debian/postrm)
set(CPACK_PACKAGE_DIRECTORY ${CMAKE_BINARY_DIR}/packages)
include(CPack)
