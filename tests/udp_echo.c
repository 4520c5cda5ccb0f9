/* What comes in a datagram to port 53 goes back: a service of UDP. */
#include <netinet/in.h>
#include <sys/socket.h>

int main(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(53) },
			   from;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	socklen_t n = sizeof(from);
	char text[2048];
	ssize_t k;

	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return 1;
	while ((k = recvfrom(fd, text, sizeof(text), 0,
			     (struct sockaddr *)&from, &n)) >= 0)
		sendto(fd, text, (size_t)k, 0, (struct sockaddr *)&from, n);
	return 1;
}
