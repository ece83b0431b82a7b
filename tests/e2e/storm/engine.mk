# SPDX-License-Identifier: BSD-2-Clause
#
# Builds llama-server out of llama.cpp's sources (SOURCE=) beside the prebuilt libraries (ENGINE=),
# which hold all that computes: only the server and what it needs for images and sound, without
# optimisation, because it does nothing but HTTP and JSON.

SERVER  := $(wildcard $(SOURCE)/tools/server/*.cpp)
MEDIA   := $(wildcard $(SOURCE)/tools/mtmd/clip.cpp $(SOURCE)/tools/mtmd/mtmd*.cpp)
MEDIA   := $(filter-out %/mtmd-cli.cpp,$(MEDIA))
HASH    := hash.cpp sha1/sha1.c sha256/sha256.c xxhash/xxhash.c
SOURCES := $(SERVER) $(MEDIA) $(SOURCE)/vendor/cpp-httplib/httplib.cpp \
           $(HASH:%=$(SOURCE)/vendor/hash/%) $(OBJECTS)/media-models.cpp $(OBJECTS)/ui.cpp
OBJECT_FILES := $(patsubst %,$(OBJECTS)/%.o,$(notdir $(SOURCES)))
INCLUDES := $(OBJECTS) $(addprefix $(SOURCE)/,tools/server tools/mtmd include ggml/include common \
            vendor vendor/hash .)
# LLAMA_SUBPROCESS as the libraries were built: without it the sources see common_subproc, by which a
# router starts its servers, as two bytes, and the libraries' create() writes past them.
FLAGS   := -O0 -w -pthread -DLLAMA_SUBPROCESS $(INCLUDES:%=-I%)
LIBS    := llama-common :libllama.$(RELEASE).so :libggml.$(RELEASE).so ggml-base

vpath %.cpp $(sort $(dir $(SOURCES)))
vpath %.c $(sort $(dir $(SOURCES)))

$(ENGINE)/llama-server: $(OBJECT_FILES)
	g++ -o $@ $^ -L$(ENGINE) $(LIBS:%=-l%) -pthread -Wl,-rpath,'$$ORIGIN'

$(OBJECTS)/%.cpp.o: %.cpp $(OBJECTS)/ui.h
	g++ -std=c++17 $(FLAGS) -DCPPHTTPLIB_LISTEN_BACKLOG=512 -DCPPHTTPLIB_TCP_NODELAY=1 -c $< -o $@

# Built as C++, as llama.cpp does it.
$(OBJECTS)/sha1.c.o: sha1.c
	g++ -std=c++17 $(FLAGS) -x c++ -c $< -o $@

$(OBJECTS)/%.c.o: %.c
	gcc $(FLAGS) -c $< -o $@

# Many small files with the same long headers: as one they take a tenth of the time.
$(OBJECTS)/media-models.cpp:
	printf '#include "%s"\n' $(wildcard $(SOURCE)/tools/mtmd/models/*.cpp) >$@

# The web page of the server, of which there is none here.
$(OBJECTS)/ui.h $(OBJECTS)/ui.cpp: $(OBJECTS)/%: $(SOURCE)/tools/ui/%.in
	sed 's/@N_ASSETS@/0/; s/@USE_GZIP@/false/; /@ASSET/d; /^#cmakedefine/d' $< >$@
