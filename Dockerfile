# The paper in a container, with the pins and the steps of `make`:
#   docker build -t xpsvae . && docker run --name xpsvae xpsvae
#   docker cp xpsvae:/home/reader/xpsvae/results/library/paper/ms.pdf .
# tests/fresh_machine.py runs these commands in a new system of the same name, without Docker.
FROM debian:bookworm-slim

RUN apt-get update && apt-get install -y --no-install-recommends git make
RUN useradd --create-home reader && install -d -o reader -g reader /home/reader/xpsvae
WORKDIR /home/reader/xpsvae
COPY --chown=reader:reader . .
RUN envs/install.sh --system
USER reader
RUN envs/install.sh
CMD ["make"]
